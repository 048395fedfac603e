-- One generation of Pagico content, and the head of its feed: whoever locks the row
-- may write, so positions have no gaps and are committed in order.
CREATE TABLE workspaces (
    workspace    text COLLATE "C" PRIMARY KEY,
    position     bigint NOT NULL DEFAULT 0,
    -- The lowest position that is still in the feed, minus one.
    pruned       bigint NOT NULL DEFAULT 0,
    contacts     bigint NOT NULL DEFAULT 0,
    projects     bigint NOT NULL DEFAULT 0,
    tasks        bigint NOT NULL DEFAULT 0,
    notes        bigint NOT NULL DEFAULT 0,
    appointments bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now()
);

-- Every object that is or ever was there. A row that is not present is the tombstone
-- of a removal: it keeps older writes from bringing the object back.
CREATE TABLE objects (
    workspace text COLLATE "C" NOT NULL REFERENCES workspaces,
    key       text COLLATE "C" NOT NULL,
    kind      text NOT NULL,
    contact   text COLLATE "C",
    policy    text NOT NULL,
    epoch     bigint NOT NULL,
    seq       bigint NOT NULL,
    -- The place in the feed of the last change, 0 when there was none.
    position  bigint NOT NULL,
    present   boolean NOT NULL,
    content   json,
    digest    bytea,
    -- What the page sorts and searches by, taken from the content.
    container text COLLATE "C",
    title     text,
    sort      text COLLATE "C",
    search    text,
    at        bigint,
    flag      boolean NOT NULL DEFAULT false,
    PRIMARY KEY (workspace, key)
);

CREATE INDEX objects_by_kind ON objects (workspace, kind, key) WHERE present;
CREATE INDEX objects_by_contact ON objects (workspace, contact, key) WHERE present;
CREATE INDEX objects_by_container ON objects (workspace, container, kind) WHERE present;
CREATE INDEX containers_by_title ON objects (workspace, kind, sort, key) WHERE present AND kind IN ('contact', 'project');
CREATE INDEX tasks_by_due ON objects (workspace, at) WHERE present AND kind = 'task' AND NOT flag AND at IS NOT NULL;
CREATE INDEX appointments_by_start ON objects (workspace, at) WHERE present AND kind = 'appointment' AND at IS NOT NULL;

-- The feed.
CREATE TABLE changes (
    workspace  text COLLATE "C" NOT NULL REFERENCES workspaces,
    position   bigint NOT NULL,
    key        text COLLATE "C" NOT NULL,
    kind       text NOT NULL,
    contact    text COLLATE "C",
    op         text NOT NULL,
    epoch      bigint NOT NULL,
    seq        bigint NOT NULL,
    digest     bytea,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, position)
);

CREATE INDEX changes_by_age ON changes (changed_at);

-- Answers that are given again when the same request comes again.
CREATE TABLE answers (
    workspace       text COLLATE "C" NOT NULL REFERENCES workspaces,
    idempotency_key text COLLATE "C" NOT NULL,
    request         bytea NOT NULL,
    answer          json NOT NULL,
    answered_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (workspace, idempotency_key)
);

CREATE INDEX answers_by_age ON answers (answered_at);

-- Keys are kept as SHA-256 of the key.
CREATE TABLE api_keys (
    name       text PRIMARY KEY,
    hash       bytea NOT NULL UNIQUE,
    scope      text NOT NULL CHECK (scope IN ('read', 'write')),
    created_at timestamptz NOT NULL DEFAULT now()
);
