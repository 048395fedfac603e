-- What a person asked to look at again in a location: the last request, under way or ended. It names contacts, or a time, or kinds of records.
CREATE TABLE resyncs (
    location_id text        NOT NULL PRIMARY KEY,
    resync_id   uuid        NOT NULL,
    contacts    text[]      NOT NULL,
    since       timestamptz,
    kinds       text[]      NOT NULL,
    who         text        NOT NULL,
    asked_at    timestamptz NOT NULL,
    -- Where it goes on, in terms of whoever carries it out, and the kinds that are through.
    cursor      json,
    done        text[]      NOT NULL DEFAULT '{}',
    seen        bigint      NOT NULL DEFAULT 0,
    total       bigint,
    changes     bigint      NOT NULL DEFAULT 0,
    -- Why it waits, and what could not be looked at.
    waits       text,
    problem     text,
    ended_at    timestamptz
);

GRANT SELECT, INSERT, UPDATE, DELETE ON resyncs TO mirror_service;
