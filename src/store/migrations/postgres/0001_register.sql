-- The register. Instants are Unix microseconds, days ISO 8601; *_key columns are folded for searching.
-- Text compares byte by byte, as in SQLite, so that prefix ranges and pages are the same.
-- Table by table the same as sqlite/0001_register.sql.

CREATE TABLE setting (
    name  TEXT COLLATE "C" PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE licence (
    id            TEXT COLLATE "C" PRIMARY KEY,
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
CREATE INDEX licence_holder ON licence (holder_key, id);
CREATE INDEX licence_number ON licence (number_key, id, status, expires);
CREATE INDEX licence_name ON licence (name_key, id, status, expires);
CREATE INDEX licence_employer ON licence (employer_key, id, status, expires);
CREATE INDEX licence_expires ON licence (expires, id, status, licence_type);
CREATE INDEX licence_status ON licence (status, id, expires);
CREATE INDEX licence_type ON licence (licence_type, id, status, expires);

CREATE TABLE record_version (
    licence TEXT COLLATE "C" NOT NULL REFERENCES licence (id),
    version BIGINT NOT NULL CHECK (version BETWEEN 1 AND 999),
    record  BYTEA NOT NULL,
    sha256  BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    reason  TEXT COLLATE "C",
    PRIMARY KEY (licence, version)
);

CREATE TABLE annotation (
    id               TEXT COLLATE "C" PRIMARY KEY,
    licence          TEXT COLLATE "C" NOT NULL,
    version          BIGINT NOT NULL,
    number           BIGINT NOT NULL CHECK (number > 0),
    status_index     BIGINT NOT NULL UNIQUE CHECK (status_index BETWEEN 0 AND 4294967294),
    at               BIGINT NOT NULL,
    day              TEXT COLLATE "C" NOT NULL,
    actor            TEXT COLLATE "C" NOT NULL,
    use_from         TEXT COLLATE "C",
    use_to           TEXT COLLATE "C",
    capped_by        TEXT COLLATE "C",
    statement        BYTEA NOT NULL,
    statement_sha256 BYTEA NOT NULL,
    kid              BYTEA NOT NULL,
    layout_digest    BYTEA NOT NULL,
    UNIQUE (licence, number),
    FOREIGN KEY (licence, version) REFERENCES record_version (licence, version)
);
CREATE INDEX annotation_statement ON annotation (statement_sha256);
CREATE INDEX annotation_at ON annotation (licence, at);

CREATE TABLE signature (
    annotation TEXT COLLATE "C" PRIMARY KEY REFERENCES annotation (id),
    digits     TEXT COLLATE "C" NOT NULL,
    at         BIGINT NOT NULL
);

CREATE TABLE issued_file (
    annotation TEXT COLLATE "C" NOT NULL REFERENCES annotation (id),
    format     TEXT COLLATE "C" NOT NULL,
    sha256     BYTEA NOT NULL,
    bytes      BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (annotation, format)
);
CREATE INDEX issued_file_sha256 ON issued_file (sha256);

-- What the status list says of each annotation that was ever not in force: 0 in force, 1 superseded, 2 suspended, 3 ended.
CREATE TABLE status_list (
    status_index BIGINT PRIMARY KEY,
    standing     BIGINT NOT NULL CHECK (standing BETWEEN 0 AND 3),
    changed      BIGINT NOT NULL
);
CREATE INDEX status_list_changed ON status_list (changed);

CREATE TABLE tally (
    day          TEXT COLLATE "C" NOT NULL,
    licence_type TEXT COLLATE "C" NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    count        BIGINT NOT NULL,
    PRIMARY KEY (day, licence_type, kind)
);

CREATE TABLE idempotency (
    actor   TEXT COLLATE "C" NOT NULL,
    key     TEXT COLLATE "C" NOT NULL,
    request BYTEA NOT NULL,
    answer  BYTEA NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_at ON idempotency (at);

CREATE TABLE job (
    id        TEXT COLLATE "C" PRIMARY KEY,
    number    BIGINT NOT NULL UNIQUE,
    search    BYTEA NOT NULL,
    actor     TEXT COLLATE "C" NOT NULL,
    reason    TEXT COLLATE "C",
    at        BIGINT NOT NULL,
    total     BIGINT NOT NULL,
    done      BIGINT NOT NULL,
    failed    BIGINT NOT NULL,
    after     TEXT COLLATE "C",
    state     TEXT COLLATE "C" NOT NULL CHECK (state IN ('running', 'finished', 'stopped')),
    changed   BIGINT NOT NULL
);
CREATE INDEX job_state ON job (state, number);

CREATE TABLE audit (
    seq     BIGINT PRIMARY KEY CHECK (seq > 0),
    at      BIGINT NOT NULL,
    actor   TEXT COLLATE "C" NOT NULL,
    action  TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    reason  TEXT COLLATE "C",
    before  TEXT COLLATE "C",
    after   TEXT COLLATE "C",
    prev    BYTEA NOT NULL,
    hash    BYTEA NOT NULL
);
CREATE INDEX audit_subject ON audit (subject, seq);
CREATE INDEX audit_actor ON audit (actor, seq);
CREATE INDEX audit_at ON audit (at, seq);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER record_version_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON record_version FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER annotation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON annotation FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER signature_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON signature FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER issued_file_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON issued_file FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
