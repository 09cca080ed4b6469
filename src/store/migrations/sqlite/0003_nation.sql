-- For registers of millions: licences and annotations have numbers inside, by which all else refers to them, so that what is
-- added stands at the end of tables and indexes; their ids are for the outside. What an act says of all its entries in the
-- audit trail (when, who, why) is kept once. Table by table the same as postgres/0003_nation.sql.

CREATE TABLE new_licence (
    -- In the order of arrival, without gaps.
    entry         INTEGER PRIMARY KEY CHECK (entry > 0),
    id            TEXT NOT NULL UNIQUE,
    licence_type  TEXT NOT NULL,
    number        TEXT NOT NULL,
    serial        TEXT NOT NULL,
    holder_key    BLOB NOT NULL,
    holder_name   TEXT NOT NULL,
    employer_name TEXT,
    employer_code TEXT,
    version       INTEGER NOT NULL CHECK (version BETWEEN 1 AND 999),
    status        TEXT NOT NULL CHECK (status IN ('valid', 'suspended', 'cancelled', 'revoked', 'withdrawn')),
    -- As the last loaded record said it, so that loading the same record again undoes no later decision.
    loaded_status TEXT NOT NULL CHECK (loaded_status IN ('valid', 'suspended', 'cancelled', 'revoked', 'withdrawn')),
    expires       TEXT NOT NULL,
    number_key    TEXT NOT NULL,
    name_key      TEXT NOT NULL,
    employer_key  TEXT NOT NULL,
    UNIQUE (licence_type, number)
) STRICT;
-- In the order of ids, which is the one that bulk jobs have followed so far.
INSERT INTO new_licence
SELECT row_number() OVER (ORDER BY id), id, licence_type, number, serial, holder_key, holder_name, employer_name, employer_code,
       version, status, loaded_status, expires, number_key, name_key, employer_key
FROM licence;

CREATE TABLE new_record_version (
    licence   INTEGER NOT NULL REFERENCES licence (entry),
    version   INTEGER NOT NULL CHECK (version BETWEEN 1 AND 999),
    record    BLOB NOT NULL,
    sha256    BLOB NOT NULL,
    -- Without REFERENCES: the record names the same digests, and checking the trail checks the pictures too.
    photo     BLOB,
    signature BLOB,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT,
    PRIMARY KEY (licence, version)
) STRICT;
INSERT INTO new_record_version
SELECT l.entry, r.version, r.record, r.sha256, r.photo, r.signature, r.at, r.actor, r.reason
FROM record_version r JOIN new_licence l ON l.id = r.licence
ORDER BY l.entry, r.version;

CREATE TABLE new_annotation (
    status_index     INTEGER PRIMARY KEY CHECK (status_index BETWEEN 0 AND 4294967294),
    id               TEXT NOT NULL UNIQUE,
    licence          INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    number           INTEGER NOT NULL CHECK (number > 0),
    at               INTEGER NOT NULL,
    actor            TEXT NOT NULL,
    use_from         TEXT,
    use_to           TEXT,
    capped_by        TEXT,
    statement        BLOB NOT NULL,
    statement_sha256 BLOB NOT NULL,
    kid              BLOB NOT NULL,
    layout_digest    BLOB NOT NULL,
    UNIQUE (licence, number),
    FOREIGN KEY (licence, version) REFERENCES record_version (licence, version)
) STRICT;
INSERT INTO new_annotation
SELECT a.status_index, a.id, l.entry, a.version, a.number, a.at, a.actor, a.use_from, a.use_to, a.capped_by, a.statement,
       a.statement_sha256, a.kid, a.layout_digest
FROM annotation a JOIN new_licence l ON l.id = a.licence
ORDER BY a.status_index;

CREATE TABLE new_signature (
    annotation INTEGER PRIMARY KEY REFERENCES annotation (status_index),
    digits     TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
INSERT INTO new_signature
SELECT a.status_index, s.digits, s.at FROM signature s JOIN annotation a ON a.id = s.annotation ORDER BY a.status_index;

-- What was done at once: the entries from the first to the last.
CREATE TABLE act (
    first  INTEGER PRIMARY KEY CHECK (first > 0),
    last   INTEGER NOT NULL CHECK (last >= first),
    at     INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    reason TEXT
) STRICT;
INSERT INTO act
SELECT seq, coalesce(lead(seq) OVER (ORDER BY seq) - 1, (SELECT max(seq) FROM audit)), at, actor, reason
FROM (
    SELECT seq, at, actor, reason,
           lag(seq) OVER w IS NOT DISTINCT FROM seq - 1 AND lag(at) OVER w = at AND lag(actor) OVER w = actor
           AND lag(reason) OVER w IS NOT DISTINCT FROM reason AS same
    FROM audit WINDOW w AS (ORDER BY seq)
) WHERE NOT coalesce(same, FALSE);

-- Each entry is chained to the one before: its hash goes over that one's.
CREATE TABLE new_audit (
    seq     INTEGER PRIMARY KEY CHECK (seq > 0),
    act     INTEGER NOT NULL REFERENCES act (first),
    action  TEXT NOT NULL,
    -- To what: a licence, or something else by its id.
    licence INTEGER REFERENCES licence (entry),
    subject TEXT,
    before  TEXT,
    after   TEXT,
    hash    BLOB NOT NULL,
    CHECK ((licence IS NULL) <> (subject IS NULL))
) STRICT;
INSERT INTO new_audit
SELECT a.seq, (SELECT max(first) FROM act WHERE first <= a.seq), a.action, l.entry, CASE WHEN l.entry IS NULL THEN a.subject END,
       a.before, a.after, a.hash
FROM audit a LEFT JOIN new_licence l ON l.id = a.subject
ORDER BY a.seq;

ALTER TABLE job ADD COLUMN after_entry INTEGER;
UPDATE job SET after_entry = (SELECT entry FROM new_licence WHERE id = job.after);
ALTER TABLE job DROP COLUMN after;
ALTER TABLE job RENAME COLUMN after_entry TO after;

DROP TABLE audit;
DROP TABLE signature;
DROP TABLE annotation;
DROP TABLE record_version;
DROP TABLE licence;
ALTER TABLE new_licence RENAME TO licence;
ALTER TABLE new_record_version RENAME TO record_version;
ALTER TABLE new_annotation RENAME TO annotation;
ALTER TABLE new_signature RENAME TO signature;
ALTER TABLE new_audit RENAME TO audit;

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

CREATE TRIGGER record_version_update BEFORE UPDATE ON record_version BEGIN SELECT RAISE(ABORT, 'record_version is append-only'); END;
CREATE TRIGGER record_version_delete BEFORE DELETE ON record_version BEGIN SELECT RAISE(ABORT, 'record_version is append-only'); END;
CREATE TRIGGER annotation_update BEFORE UPDATE ON annotation BEGIN SELECT RAISE(ABORT, 'annotation is append-only'); END;
CREATE TRIGGER annotation_delete BEFORE DELETE ON annotation BEGIN SELECT RAISE(ABORT, 'annotation is append-only'); END;
CREATE TRIGGER signature_update BEFORE UPDATE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER signature_delete BEFORE DELETE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER act_update BEFORE UPDATE ON act BEGIN SELECT RAISE(ABORT, 'act is append-only'); END;
CREATE TRIGGER act_delete BEFORE DELETE ON act BEGIN SELECT RAISE(ABORT, 'act is append-only'); END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
