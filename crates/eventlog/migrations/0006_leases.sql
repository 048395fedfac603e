-- Which replica of the poller looks after which location.

CREATE TABLE location_leases (
    location_id text        PRIMARY KEY,
    holder      text        NOT NULL,
    -- Grows whenever the holder changes: what an earlier holder still wants to append is refused.
    token       bigint      NOT NULL,
    expires_at  timestamptz NOT NULL
) WITH (fillfactor = 50);

-- The replicas that are alive, so that each takes its part and no more. Without a location: they are shared by all.
CREATE TABLE pollers (
    instance    text        PRIMARY KEY,
    alive_until timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON location_leases, pollers TO mirror_service;
