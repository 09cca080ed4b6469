-- For registers of millions: licences and annotations have numbers inside, by which all else refers to them, so that what is
-- added stands at the end of tables and indexes; their ids are for the outside. What an act says of all its entries in the
-- audit trail (when, who, why) is kept once. Table by table the same as sqlite/0003_nation.sql.

CREATE TABLE new_licence (
    -- In the order of arrival, without gaps.
    entry         BIGINT PRIMARY KEY CHECK (entry > 0),
    id            TEXT COLLATE "C" NOT NULL UNIQUE,
    licence_type  TEXT COLLATE "C" NOT NULL,
    number        TEXT COLLATE "C" NOT NULL,
    serial        TEXT COLLATE "C" NOT NULL,
    holder_key    BYTEA NOT NULL,
    holder_name   TEXT COLLATE "C" NOT NULL,
    employer_name TEXT COLLATE "C",
    employer_code TEXT COLLATE "C",
    version       BIGINT NOT NULL CHECK (version BETWEEN 1 AND 999),
    status        TEXT COLLATE "C" NOT NULL CHECK (status IN ('valid', 'suspended', 'cancelled', 'revoked', 'withdrawn')),
    -- As the last loaded record said it, so that loading the same record again undoes no later decision.
    loaded_status TEXT COLLATE "C" NOT NULL CHECK (loaded_status IN ('valid', 'suspended', 'cancelled', 'revoked', 'withdrawn')),
    expires       TEXT COLLATE "C" NOT NULL,
    number_key    TEXT COLLATE "C" NOT NULL,
    name_key      TEXT COLLATE "C" NOT NULL,
    employer_key  TEXT COLLATE "C" NOT NULL,
    UNIQUE (licence_type, number)
);
-- In the order of ids, which is the one that bulk jobs have followed so far.
INSERT INTO new_licence
SELECT row_number() OVER (ORDER BY id), id, licence_type, number, serial, holder_key, holder_name, employer_name, employer_code,
       version, status, loaded_status, expires, number_key, name_key, employer_key
FROM licence;

CREATE TABLE new_record_version (
    licence   BIGINT NOT NULL REFERENCES new_licence (entry),
    version   BIGINT NOT NULL CHECK (version BETWEEN 1 AND 999),
    record    BYTEA NOT NULL,
    sha256    BYTEA NOT NULL,
    -- Without REFERENCES: the record names the same digests, and checking the trail checks the pictures too.
    photo     BYTEA,
    signature BYTEA,
    at        BIGINT NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    reason    TEXT COLLATE "C",
    PRIMARY KEY (licence, version)
);
INSERT INTO new_record_version
SELECT l.entry, r.version, r.record, r.sha256, r.photo, r.signature, r.at, r.actor, r.reason
FROM record_version r JOIN new_licence l ON l.id = r.licence
ORDER BY l.entry, r.version;

CREATE TABLE new_annotation (
    status_index     BIGINT PRIMARY KEY CHECK (status_index BETWEEN 0 AND 4294967294),
    id               TEXT COLLATE "C" NOT NULL UNIQUE,
    licence          BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    number           BIGINT NOT NULL CHECK (number > 0),
    at               BIGINT NOT NULL,
    actor            TEXT COLLATE "C" NOT NULL,
    use_from         TEXT COLLATE "C",
    use_to           TEXT COLLATE "C",
    capped_by        TEXT COLLATE "C",
    statement        BYTEA NOT NULL,
    statement_sha256 BYTEA NOT NULL,
    kid              BYTEA NOT NULL,
    layout_digest    BYTEA NOT NULL,
    UNIQUE (licence, number),
    FOREIGN KEY (licence, version) REFERENCES new_record_version (licence, version)
);
INSERT INTO new_annotation
SELECT a.status_index, a.id, l.entry, a.version, a.number, a.at, a.actor, a.use_from, a.use_to, a.capped_by, a.statement,
       a.statement_sha256, a.kid, a.layout_digest
FROM annotation a JOIN new_licence l ON l.id = a.licence
ORDER BY a.status_index;

CREATE TABLE new_signature (
    annotation BIGINT PRIMARY KEY REFERENCES new_annotation (status_index),
    digits     TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL
);
INSERT INTO new_signature
SELECT a.status_index, s.digits, s.at FROM signature s JOIN annotation a ON a.id = s.annotation ORDER BY a.status_index;

-- What was done at once: the entries from the first to the last.
CREATE TABLE act (
    first  BIGINT PRIMARY KEY CHECK (first > 0),
    last   BIGINT NOT NULL CHECK (last >= first),
    at     BIGINT NOT NULL,
    actor  TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C"
);
INSERT INTO act
SELECT seq, coalesce(lead(seq) OVER (ORDER BY seq) - 1, (SELECT max(seq) FROM audit)), at, actor, reason
FROM (
    SELECT seq, at, actor, reason,
           lag(seq) OVER w IS NOT DISTINCT FROM seq - 1 AND lag(at) OVER w = at AND lag(actor) OVER w = actor
           AND lag(reason) OVER w IS NOT DISTINCT FROM reason AS same
    FROM audit WINDOW w AS (ORDER BY seq)
) AS entries WHERE NOT coalesce(same, FALSE);

-- Each entry is chained to the one before: its hash goes over that one's.
CREATE TABLE new_audit (
    seq     BIGINT PRIMARY KEY CHECK (seq > 0),
    act     BIGINT NOT NULL REFERENCES act (first),
    action  TEXT COLLATE "C" NOT NULL,
    -- To what: a licence, or something else by its id.
    licence BIGINT REFERENCES new_licence (entry),
    subject TEXT COLLATE "C",
    before  TEXT COLLATE "C",
    after   TEXT COLLATE "C",
    hash    BYTEA NOT NULL,
    CHECK ((licence IS NULL) <> (subject IS NULL))
);
INSERT INTO new_audit
SELECT a.seq, (SELECT max(first) FROM act WHERE first <= a.seq), a.action, l.entry, CASE WHEN l.entry IS NULL THEN a.subject END,
       a.before, a.after, a.hash
FROM audit a LEFT JOIN new_licence l ON l.id = a.subject
ORDER BY a.seq;

ALTER TABLE job ADD COLUMN after_entry BIGINT;
UPDATE job SET after_entry = (SELECT entry FROM new_licence WHERE id = job.after);
ALTER TABLE job DROP COLUMN after;
ALTER TABLE job RENAME COLUMN after_entry TO after;

DROP TABLE audit;
DROP TABLE signature;
ALTER TABLE issued_file DROP CONSTRAINT issued_file_annotation_fkey;
DROP TABLE annotation;
DROP TABLE record_version;
DROP TABLE licence;
ALTER TABLE new_licence RENAME TO licence;
ALTER TABLE new_record_version RENAME TO record_version;
ALTER TABLE new_annotation RENAME TO annotation;
ALTER TABLE new_signature RENAME TO signature;
ALTER TABLE new_audit RENAME TO audit;
ALTER TABLE issued_file ADD CONSTRAINT issued_file_annotation_fkey FOREIGN KEY (annotation) REFERENCES annotation (id);

CREATE INDEX licence_holder ON licence (holder_key);
CREATE INDEX licence_number ON licence (number_key, entry, status, expires);
CREATE INDEX licence_name ON licence (name_key, entry, status, expires);
CREATE INDEX licence_employer ON licence (employer_key, entry, status, expires);
CREATE INDEX licence_expires ON licence (expires, entry, status, licence_type);
CREATE INDEX licence_status ON licence (status, entry, expires);
CREATE INDEX licence_type ON licence (licence_type, entry, status, expires);
CREATE INDEX act_actor ON act (actor, first);
CREATE INDEX act_at ON act (at, first);
CREATE INDEX audit_licence ON audit (licence, seq) WHERE licence IS NOT NULL;
CREATE INDEX audit_subject ON audit (subject, seq) WHERE subject IS NOT NULL;

CREATE TRIGGER record_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON annotation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signature_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER act_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON act FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
