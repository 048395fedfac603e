-- Unusual vanishing, which is held back until a person releases it. One row for each location that ever had some.
CREATE TABLE vanishing (
    location_id text        NOT NULL PRIMARY KEY,
    held_since  timestamptz,
    -- How often a conclusion was held back since then; those of several looks at the same contact count each time.
    held        bigint      NOT NULL DEFAULT 0,
    released_at timestamptz,
    released_by text
);
GRANT SELECT, INSERT, UPDATE ON vanishing TO mirror_service;
