-- The register. Instants are Unix microseconds, days ISO 8601; *_key columns are folded for searching.
-- Table by table the same as postgres/0001_register.sql.

CREATE TABLE setting (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE licence (
    id            TEXT PRIMARY KEY,
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
CREATE INDEX licence_holder ON licence (holder_key, id);
CREATE INDEX licence_number ON licence (number_key, id, status, expires);
CREATE INDEX licence_name ON licence (name_key, id, status, expires);
CREATE INDEX licence_employer ON licence (employer_key, id, status, expires);
CREATE INDEX licence_expires ON licence (expires, id, status, licence_type);
CREATE INDEX licence_status ON licence (status, id, expires);
CREATE INDEX licence_type ON licence (licence_type, id, status, expires);

CREATE TABLE record_version (
    licence TEXT NOT NULL REFERENCES licence (id),
    version INTEGER NOT NULL CHECK (version BETWEEN 1 AND 999),
    record  BLOB NOT NULL,
    sha256  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    reason  TEXT,
    PRIMARY KEY (licence, version)
) STRICT;

CREATE TABLE annotation (
    id               TEXT PRIMARY KEY,
    licence          TEXT NOT NULL,
    version          INTEGER NOT NULL,
    number           INTEGER NOT NULL CHECK (number > 0),
    status_index     INTEGER NOT NULL UNIQUE CHECK (status_index BETWEEN 0 AND 4294967294),
    at               INTEGER NOT NULL,
    day              TEXT NOT NULL,
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
CREATE INDEX annotation_statement ON annotation (statement_sha256);
CREATE INDEX annotation_at ON annotation (licence, at);

CREATE TABLE signature (
    annotation TEXT PRIMARY KEY REFERENCES annotation (id),
    digits     TEXT NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE issued_file (
    annotation TEXT NOT NULL REFERENCES annotation (id),
    format     TEXT NOT NULL,
    sha256     BLOB NOT NULL,
    bytes      INTEGER NOT NULL,
    at         INTEGER NOT NULL,
    PRIMARY KEY (annotation, format)
) STRICT;
CREATE INDEX issued_file_sha256 ON issued_file (sha256);

-- What the status list says of each annotation that was ever not in force: 0 in force, 1 superseded, 2 suspended, 3 ended.
CREATE TABLE status_list (
    status_index INTEGER PRIMARY KEY,
    standing     INTEGER NOT NULL CHECK (standing BETWEEN 0 AND 3),
    changed      INTEGER NOT NULL
) STRICT;
CREATE INDEX status_list_changed ON status_list (changed);

CREATE TABLE tally (
    day          TEXT NOT NULL,
    licence_type TEXT NOT NULL,
    kind         TEXT NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (day, licence_type, kind)
) STRICT;

CREATE TABLE idempotency (
    actor   TEXT NOT NULL,
    key     TEXT NOT NULL,
    request BLOB NOT NULL,
    answer  BLOB NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE job (
    id        TEXT PRIMARY KEY,
    number    INTEGER NOT NULL UNIQUE,
    search    BLOB NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT,
    at        INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    done      INTEGER NOT NULL,
    failed    INTEGER NOT NULL,
    after     TEXT,
    state     TEXT NOT NULL CHECK (state IN ('running', 'finished', 'stopped')),
    changed   INTEGER NOT NULL
) STRICT;
CREATE INDEX job_state ON job (state, number);

CREATE TABLE audit (
    seq     INTEGER PRIMARY KEY CHECK (seq > 0),
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    action  TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason  TEXT,
    before  TEXT,
    after   TEXT,
    prev    BLOB NOT NULL,
    hash    BLOB NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_at ON audit (at, seq);

CREATE TRIGGER record_version_update BEFORE UPDATE ON record_version BEGIN SELECT RAISE(ABORT, 'record_version is append-only'); END;
CREATE TRIGGER record_version_delete BEFORE DELETE ON record_version BEGIN SELECT RAISE(ABORT, 'record_version is append-only'); END;
CREATE TRIGGER annotation_update BEFORE UPDATE ON annotation BEGIN SELECT RAISE(ABORT, 'annotation is append-only'); END;
CREATE TRIGGER annotation_delete BEFORE DELETE ON annotation BEGIN SELECT RAISE(ABORT, 'annotation is append-only'); END;
CREATE TRIGGER signature_update BEFORE UPDATE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER signature_delete BEFORE DELETE ON signature BEGIN SELECT RAISE(ABORT, 'signature is append-only'); END;
CREATE TRIGGER issued_file_update BEFORE UPDATE ON issued_file BEGIN SELECT RAISE(ABORT, 'issued_file is append-only'); END;
CREATE TRIGGER issued_file_delete BEFORE DELETE ON issued_file BEGIN SELECT RAISE(ABORT, 'issued_file is append-only'); END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
