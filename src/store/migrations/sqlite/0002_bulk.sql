-- Pictures apart from the record versions that show them, so that a reissue does not copy them. Versions that were filed
-- before have theirs in the record. Table by table the same as postgres/0002_bulk.sql.

CREATE TABLE picture (
    sha256 BLOB PRIMARY KEY,
    bytes  BLOB NOT NULL
) STRICT;
CREATE TRIGGER picture_update BEFORE UPDATE ON picture BEGIN SELECT RAISE(ABORT, 'picture is append-only'); END;
CREATE TRIGGER picture_delete BEFORE DELETE ON picture BEGIN SELECT RAISE(ABORT, 'picture is append-only'); END;

-- Without REFERENCES: the record names the same digests, and checking the trail checks the pictures too.
ALTER TABLE record_version ADD COLUMN photo BLOB;
ALTER TABLE record_version ADD COLUMN signature BLOB;

-- The files that a bulk reissue makes, and how many it could not reissue, by reason: both JSON.
ALTER TABLE job ADD COLUMN formats TEXT NOT NULL DEFAULT '[]';
ALTER TABLE job ADD COLUMN reasons TEXT NOT NULL DEFAULT '{}';

-- Nothing asks by it, and an index without order costs a bulk reissue more than any other.
DROP INDEX annotation_statement;
