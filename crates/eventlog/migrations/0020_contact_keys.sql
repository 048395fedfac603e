-- The key that a person's events are sealed with. Wrapped by a key-encryption key that the database never sees; without its
-- wrapped bytes a key is gone, and with it everything that it sealed.
CREATE TABLE contact_keys (
    location_id  text        NOT NULL,
    key_id       text        NOT NULL,
    contact_id   text        NOT NULL,
    kek_id       text,
    wrapped      bytea,
    created_at   timestamptz NOT NULL,
    destroyed_at timestamptz,
    PRIMARY KEY (location_id, key_id),
    CHECK ((destroyed_at IS NULL) = (wrapped IS NOT NULL AND kek_id IS NOT NULL))
);
-- At most one key is alive.
CREATE UNIQUE INDEX contact_keys_alive ON contact_keys (location_id, contact_id) WHERE destroyed_at IS NULL;

-- Who was erased, and how far that has come.
CREATE TABLE erasures (
    location_id  text        NOT NULL,
    contact_id   text        NOT NULL,
    reason       text        NOT NULL,
    who          text        NOT NULL,
    -- The event that says so: what happened to the contact's records before it has no content any more.
    epoch        integer     NOT NULL,
    seq          bigint      NOT NULL,
    -- Events from before there was a key: their payloads stay readable in the log.
    plain_events bigint      NOT NULL,
    erased_at    timestamptz NOT NULL,
    -- The workspaces that still hold objects of the contact.
    workspaces   text[]      NOT NULL,
    bus_at       timestamptz,
    finished_at  timestamptz,
    -- Since then the contact may be observed again.
    lifted_at    timestamptz,
    PRIMARY KEY (location_id, contact_id)
);
CREATE INDEX erasures_unfinished ON erasures (erased_at) WHERE finished_at IS NULL;

-- Moves with every erasure and lift: what a process remembers of keys is void when it has moved.
ALTER TABLE log_head ADD COLUMN erasures bigint NOT NULL DEFAULT 0;

GRANT SELECT, INSERT ON contact_keys TO mirror_service;
GRANT UPDATE (kek_id, wrapped, destroyed_at) ON contact_keys TO mirror_service;
GRANT SELECT, INSERT, UPDATE ON erasures TO mirror_service;
GRANT DELETE ON parked TO mirror_service;
