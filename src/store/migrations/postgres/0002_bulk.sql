-- Pictures apart from the record versions that show them, so that a reissue does not copy them. Versions that were filed
-- before have theirs in the record. Table by table the same as sqlite/0002_bulk.sql.

CREATE TABLE picture (
    sha256 BYTEA PRIMARY KEY,
    bytes  BYTEA NOT NULL
);
CREATE TRIGGER picture_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON picture FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Without REFERENCES: the record names the same digests, and checking the trail checks the pictures too.
ALTER TABLE record_version ADD COLUMN photo BYTEA;
ALTER TABLE record_version ADD COLUMN signature BYTEA;

-- The files that a bulk reissue makes, and how many it could not reissue, by reason: both JSON.
ALTER TABLE job ADD COLUMN formats TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE job ADD COLUMN reasons TEXT COLLATE "C" NOT NULL DEFAULT '{}';

-- Nothing asks by it, and an index without order costs a bulk reissue more than any other.
DROP INDEX annotation_statement;
