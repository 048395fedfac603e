-- Facts that only whoever works knows, so that a person can be told of them.

-- When the pass last got further.
ALTER TABLE passes ADD COLUMN moved_at timestamptz;

-- When a stream was last found to have lost messages.
ALTER TABLE streams ADD COLUMN lost_at timestamptz;

-- The locations whose calls of the day are nearly spent.
CREATE TABLE calls_nearly_spent (
    location_id   text        PRIMARY KEY,
    since         timestamptz NOT NULL,
    left_today    bigint      NOT NULL,
    day_calls_max bigint      NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON calls_nearly_spent TO mirror_service;
