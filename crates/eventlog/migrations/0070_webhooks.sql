-- Webhooks that were taken, so that no replica takes one again when GHL repeats it. Digests only. What a crash of the database loses costs
-- a second look at most, so nothing of it goes through the write-ahead log.
CREATE UNLOGGED TABLE webhooks_taken (
    digest   uuid        NOT NULL PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX webhooks_taken_by_time ON webhooks_taken (taken_at);

-- The secrets by which workflows of a location may hint at its contacts, as hashes.
CREATE TABLE workflow_secrets (
    location_id text        NOT NULL,
    secret_id   text        NOT NULL,
    hash        bytea       NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz,
    PRIMARY KEY (location_id, secret_id)
);

GRANT SELECT, INSERT, DELETE ON webhooks_taken TO mirror_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON workflow_secrets TO mirror_service;
