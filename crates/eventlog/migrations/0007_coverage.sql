-- What each net has found first, and when a webhook last led to a look.

CREATE TABLE coverage (
    location_id text        NOT NULL,
    kind        text        NOT NULL,
    net         text        NOT NULL,
    looked_at   timestamptz,
    found       bigint      NOT NULL DEFAULT 0,
    found_at    timestamptz,
    PRIMARY KEY (location_id, kind, net)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON coverage TO mirror_service;
