-- The append-only log and what is kept beside it. Every key begins with the location, so that all of it can be partitioned by it.

CREATE TABLE locations (
    location_id  text PRIMARY KEY,
    connected_at timestamptz NOT NULL
);

-- The sequencer of a location and the end of its hash chain. Locked by whoever appends.
CREATE TABLE log_head (
    location_id text    PRIMARY KEY,
    epoch       integer NOT NULL DEFAULT 1 CHECK (epoch > 0),
    seq         bigint  NOT NULL DEFAULT 0 CHECK (seq >= 0),
    hash        bytea   NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50);

CREATE TABLE events (
    location_id text        NOT NULL,
    seq         bigint      NOT NULL CHECK (seq > 0),
    epoch       integer     NOT NULL,
    event_id    uuid        NOT NULL,
    contact_id  text,
    record_kind text,
    record_id   text,
    type        text        NOT NULL,
    occurred_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- json and not jsonb: its very bytes are part of the hash.
    cause       json        NOT NULL,
    traceparent text,
    -- The key that the payload is sealed with; none while it is plain.
    key_id      text,
    payload     bytea       NOT NULL,
    hash        bytea       NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (location_id, seq)
);
CREATE INDEX events_of_contact ON events (location_id, contact_id, seq) WHERE contact_id IS NOT NULL;

CREATE FUNCTION refuse_to_change_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the event log is only ever appended to' USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER events_stay BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_to_change_events();
CREATE TRIGGER events_are_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_events();

-- What is known of GHL: the projection that observations are compared with.
CREATE TABLE known_contacts (
    location_id           text   NOT NULL,
    contact_id            text   NOT NULL,
    contact_asked_at      timestamptz,
    tasks_asked_at        timestamptz,
    notes_asked_at        timestamptz,
    appointments_asked_at timestamptz,
    -- dateUpdated as GHL gave it when the contact was last looked at.
    updated_at            text,
    -- The last event of one of its records.
    last_seq              bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (location_id, contact_id)
) WITH (fillfactor = 80);

CREATE TABLE known_records (
    location_id text        NOT NULL,
    contact_id  text        NOT NULL,
    kind        text        NOT NULL,
    record_id   text        NOT NULL,
    present     boolean     NOT NULL,
    asked_at    timestamptz NOT NULL,
    -- The event that the content is from.
    epoch       integer     NOT NULL,
    seq         bigint      NOT NULL,
    content     bytea       NOT NULL,
    PRIMARY KEY (location_id, contact_id, kind, record_id)
) WITH (fillfactor = 80);

-- What the writer has brought to each workspace.
CREATE TABLE ledger (
    location_id  text        NOT NULL,
    workspace    text        NOT NULL,
    object       text        NOT NULL,
    kind         text        NOT NULL,
    contact_id   text        NOT NULL,
    epoch        integer     NOT NULL,
    seq          bigint      NOT NULL,
    policy       text        NOT NULL,
    rules        text        NOT NULL,
    removed      boolean     NOT NULL,
    answer       text        NOT NULL,
    delivered_at timestamptz NOT NULL,
    PRIMARY KEY (location_id, workspace, object)
) WITH (fillfactor = 80);
CREATE INDEX ledger_of_contact ON ledger (location_id, contact_id);

CREATE TABLE parked (
    location_id text        NOT NULL,
    id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    -- What makes two parkings the same one.
    fingerprint bytea       NOT NULL,
    stage       text        NOT NULL,
    contact_id  text,
    workspace   text,
    object      text,
    epoch       integer,
    seq         bigint,
    subject     text        NOT NULL,
    message     bytea       NOT NULL,
    reason      text        NOT NULL,
    status      integer,
    attempts    bigint      NOT NULL,
    traceparent text,
    parked_at   timestamptz NOT NULL,
    redriven_at timestamptz,
    resolved_at timestamptz,
    PRIMARY KEY (location_id, id)
);
CREATE UNIQUE INDEX parked_once ON parked (location_id, fingerprint) WHERE resolved_at IS NULL;
CREATE INDEX parked_of_contact ON parked (location_id, contact_id) WHERE resolved_at IS NULL;
CREATE INDEX parked_of_object ON parked (location_id, object) WHERE resolved_at IS NULL;
CREATE INDEX parked_in_order ON parked (parked_at, id) WHERE resolved_at IS NULL;

-- How far each location is published, and how far all consequences have arrived.
CREATE TABLE relay (
    location_id text    PRIMARY KEY,
    published   bigint  NOT NULL DEFAULT 0,
    settled     bigint  NOT NULL DEFAULT 0,
    -- How often publishing went back: part of the message ids, so that the bus does not take it for repetition.
    round       integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- What was last seen of the bus. The only table without a location: the bus is shared by all.
CREATE TABLE streams (
    name          text        PRIMARY KEY,
    created_at    timestamptz NOT NULL,
    last_sequence bigint      NOT NULL
);

CREATE TABLE progress (
    location_id text   PRIMARY KEY,
    watermark   timestamptz,
    cursor      json,
    seen        bigint NOT NULL DEFAULT 0,
    total       bigint,
    started_at  timestamptz,
    finished_at timestamptz
) WITH (fillfactor = 50);

-- Services log in as members of this role. Two databases of one server may create it at the same moment.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'mirror_service') THEN
        CREATE ROLE mirror_service NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO mirror_service;
GRANT SELECT, INSERT ON events, locations TO mirror_service;
GRANT SELECT, INSERT, UPDATE ON log_head, relay, streams, progress, parked TO mirror_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON known_contacts, known_records, ledger TO mirror_service;
