-- The tokens of the marketplace app, sealed: one row for each location and each agency that installed it.

CREATE TABLE credentials (
    -- 'location' or 'company', and its id at GHL.
    kind             text        NOT NULL,
    id               text        NOT NULL,
    company_id       text,
    -- Both tokens, sealed under the key-encryption key that is named. Empty once the installation is retired.
    kek_id           text,
    sealed           bytea,
    -- Counts the grants: whoever was refused with an older one reads again.
    generation       bigint      NOT NULL DEFAULT 1,
    expires_at       timestamptz NOT NULL,
    granted_at       timestamptz NOT NULL,
    -- Set before GHL is asked, cleared when its answer is stored: found set, the refresh token may be spent.
    refresh_begun_at timestamptz,
    state            text        NOT NULL DEFAULT 'active',
    -- What a person must do, where somebody must.
    problem          text,
    PRIMARY KEY (kind, id)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON credentials TO mirror_service;

-- States of installations that were brought back, so that each is good once. Kept until they would be too old anyway.
CREATE TABLE oauth_states_spent (
    state text        NOT NULL PRIMARY KEY,
    until timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON oauth_states_spent TO mirror_service;
