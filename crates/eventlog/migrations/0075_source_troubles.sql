-- What GHL does not answer, as the holders of the leases last said: an area of a location that is refused for want of a scope, that fails, or
-- that is not asked. What is answered has no row.
CREATE TABLE source_troubles (
    location_id text        NOT NULL,
    area        text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('refused', 'failing', 'paused')),
    -- By GHL's name; empty unless it is refused.
    scope       text        NOT NULL,
    -- What is not mirrored meanwhile, or why nothing is asked.
    cost        text        NOT NULL,
    since       timestamptz NOT NULL,
    PRIMARY KEY (location_id, area)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON source_troubles TO mirror_service;
