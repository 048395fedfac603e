-- Locations that were purged: what is left to destroy, here and elsewhere.

-- Nothing is appended to a closed log any more. Its last event says why.
ALTER TABLE log_head ADD COLUMN closed boolean NOT NULL DEFAULT false;

CREATE TABLE purges (
    location_id  text        NOT NULL PRIMARY KEY,
    reason       text        NOT NULL,
    who          text        NOT NULL,
    -- The event that says so, the last one of the location.
    epoch        integer     NOT NULL,
    seq          bigint      NOT NULL,
    -- Events from before there was a key: their payloads stay readable in the log.
    plain_events bigint      NOT NULL,
    begun_at     timestamptz NOT NULL,
    -- Contacts' keys that were destroyed, and rows about contacts that were removed beside the log.
    keys         bigint      NOT NULL DEFAULT 0,
    rows         bigint      NOT NULL DEFAULT 0,
    -- When nothing of it was left beside the log in this database.
    log_at       timestamptz,
    -- The workspaces that the bridge may still have.
    workspaces   text[]      NOT NULL,
    bus_at       timestamptz,
    finished_at  timestamptz
);
CREATE INDEX purges_unfinished ON purges (begun_at) WHERE finished_at IS NULL;

GRANT SELECT, INSERT, UPDATE ON purges TO mirror_service;
GRANT DELETE ON passes, coverage, progress, vanishing TO mirror_service;
