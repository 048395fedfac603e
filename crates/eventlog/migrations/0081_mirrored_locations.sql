-- Which locations are mirrored, and since when, by whose word and why each is in its state. Settings and installations of the app only bring a
-- location in that is not here yet: what a person has paused, retired or purged stays so. The token of one that a person added is here, sealed.
CREATE TABLE mirrored_locations (
    location_id text        NOT NULL PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('active', 'paused', 'retired', 'purged')),
    since       timestamptz NOT NULL DEFAULT now(),
    -- Empty where it was nobody's word.
    who         text        NOT NULL DEFAULT '',
    reason      text        NOT NULL DEFAULT '',
    -- Counts the tokens that were given: whoever knows an older one reads again.
    tokens      bigint      NOT NULL DEFAULT 0,
    -- The token, sealed under the key-encryption key that is named.
    kek_id      text,
    sealed      bytea,
    CHECK ((kek_id IS NULL) = (sealed IS NULL))
) WITH (fillfactor = 50);

-- Counts what changes above, so that every replica notices with one small statement.
CREATE TABLE mirrored_changes (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    changes  bigint  NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO mirrored_changes DEFAULT VALUES;

INSERT INTO mirrored_locations (location_id, state, since) SELECT location_id, 'active', connected_at FROM locations;

GRANT SELECT, INSERT, UPDATE ON mirrored_locations, mirrored_changes TO mirror_service;
