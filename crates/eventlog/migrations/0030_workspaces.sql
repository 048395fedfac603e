-- Rules by their revision, so that what was made by them can be made again.
CREATE TABLE rules_texts (
    revision      text        PRIMARY KEY,
    text          text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    -- When a mapper was last started with them: the latest is what workspaces without rules of their own follow.
    configured_at timestamptz
);

-- The generations of a location's content.
CREATE TABLE workspaces (
    location_id text        NOT NULL,
    workspace   text        NOT NULL,
    role        text        NOT NULL CHECK (role IN ('live', 'shadow', 'former', 'retired')),
    -- Rules of its own; none follows the mapper's.
    rules       text        REFERENCES rules_texts,
    -- Raised whenever the rules change: of two intents of one revision the later edition decides.
    edition     integer     NOT NULL DEFAULT 0 CHECK (edition >= 0),
    -- The head of the log when it was created: what came later reached it live.
    created_seq bigint      NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (location_id, workspace)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX workspaces_have_one_name ON workspaces (workspace);
CREATE UNIQUE INDEX workspaces_one_is_live ON workspaces (location_id) WHERE role = 'live';
CREATE UNIQUE INDEX workspaces_one_is_former ON workspaces (location_id) WHERE role = 'former';

INSERT INTO workspaces (location_id, workspace, role, created_seq, created_at)
SELECT location_id, location_id, 'live', 0, connected_at FROM locations;

ALTER TABLE ledger ADD COLUMN edition integer NOT NULL DEFAULT 0;

REVOKE ALL ON rules_texts, workspaces FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON rules_texts, workspaces TO mirror_service;
