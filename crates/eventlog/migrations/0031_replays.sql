-- For reading contact by contact in the order of their bytes, as the bridge lists them, whatever the order of the database's language.
CREATE INDEX records_by_contact ON events (location_id, contact_id COLLATE "C", seq) WHERE record_kind IS NOT NULL AND contact_id IS NOT NULL;

-- What was planned, without its actions: they can be planned again.
CREATE TABLE plans (
    location_id text        NOT NULL,
    hash        bytea       NOT NULL CHECK (octet_length(hash) = 32),
    workspace   text        NOT NULL,
    rules       text        NOT NULL,
    -- The rules and the edition that the workspace had when it was planned.
    rules_then  text        NOT NULL,
    edition     integer     NOT NULL,
    -- None is every contact.
    contact_id  text,
    -- The last position that counts, and its hash.
    head_seq    bigint      NOT NULL,
    head_hash   bytea       NOT NULL,
    -- Whether the end was asked for, or is just where the log ended.
    bounded     boolean     NOT NULL,
    -- Whether the workspace itself was asked.
    present     boolean     NOT NULL,
    totals      json        NOT NULL,
    who         text        NOT NULL,
    made_at     timestamptz NOT NULL,
    PRIMARY KEY (location_id, hash)
);
CREATE INDEX plans_by_hash ON plans (hash);

CREATE TABLE replays (
    location_id text        NOT NULL,
    replay_id   uuid        NOT NULL,
    plan_hash   bytea       NOT NULL,
    phase       text        NOT NULL CHECK (phase IN ('running', 'paused', 'done', 'cancelled', 'failed')),
    -- What is later comes live.
    through_seq bigint      NOT NULL,
    -- The edition of the rules that its intents belong to.
    edition     integer     NOT NULL,
    -- Whether what the ledger says wrongly is still to be forgotten.
    forgets     boolean     NOT NULL,
    total       bigint      NOT NULL,
    done        bigint      NOT NULL DEFAULT 0,
    rounds      integer     NOT NULL DEFAULT 0,
    reason      text        NOT NULL DEFAULT '',
    who         text        NOT NULL,
    started_at  timestamptz NOT NULL,
    -- How long it has been worked on, in milliseconds.
    worked      bigint      NOT NULL DEFAULT 0,
    ended_at    timestamptz,
    PRIMARY KEY (location_id, replay_id)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX replays_by_id ON replays (replay_id);
CREATE INDEX replays_by_age ON replays (started_at, replay_id);
CREATE UNIQUE INDEX replays_one_at_a_time ON replays (location_id) WHERE phase IN ('running', 'paused');

-- Whoever holds it works on replays; the others wait until it has run out.
CREATE TABLE replay_lease (
    only_one boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
    holder   uuid        NOT NULL,
    until    timestamptz NOT NULL
) WITH (fillfactor = 50);

REVOKE ALL ON plans, replays, replay_lease FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE, DELETE ON plans, replays TO mirror_service;
GRANT SELECT, INSERT, UPDATE ON replay_lease TO mirror_service;
