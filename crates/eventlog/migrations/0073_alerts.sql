-- What a person has to know, and what was told of it. The location is empty where a condition concerns the whole installation.

CREATE TABLE alerts (
    id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    condition   text        NOT NULL,
    location_id text        NOT NULL,
    -- What of the location is concerned: a kind of record, a stream, a directory; empty for all of it.
    subject     text        NOT NULL,
    -- Since when the condition holds, as far as is known.
    since       timestamptz NOT NULL,
    -- In words, without anything personal.
    cause       text        NOT NULL,
    raised_at   timestamptz NOT NULL,
    -- When the condition was last found gone. It may come back until the alert is resolved.
    gone_at     timestamptz,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX alerts_open ON alerts (condition, location_id, subject) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

-- Over which channel an alert was told: that it was raised, that it is resolved.
CREATE TABLE alerts_told (
    alert_id uuid        NOT NULL REFERENCES alerts ON DELETE CASCADE,
    channel  text        NOT NULL,
    change   text        NOT NULL CHECK (change IN ('raised', 'resolved')),
    -- Nothing from before it is sent until it is known to have arrived.
    told_at  timestamptz,
    PRIMARY KEY (alert_id, channel, change)
);

-- What is not told for a while: a condition or, empty, all of them; of a location or, empty, everywhere.
CREATE TABLE alert_silences (
    condition   text        NOT NULL,
    location_id text        NOT NULL,
    until       timestamptz NOT NULL,
    who         text        NOT NULL,
    silenced_at timestamptz NOT NULL,
    PRIMARY KEY (condition, location_id)
);

-- Which replica of the admin service finds out and tells. One row.
CREATE TABLE alert_lease (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    holder     text        NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON alerts, alerts_told, alert_silences, alert_lease TO mirror_service;
