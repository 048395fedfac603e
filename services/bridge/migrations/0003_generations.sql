-- A workspace that is being removed: nobody reads or writes it any more, its rows go in batches.
ALTER TABLE workspaces ADD COLUMN leaving boolean NOT NULL DEFAULT false;

-- Names that stay while the workspace behind them changes.
CREATE TABLE aliases (
    alias      text COLLATE "C" PRIMARY KEY,
    workspace  text COLLATE "C" NOT NULL,
    pointed_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX aliases_of_workspace ON aliases (workspace);

-- On the row of a contact: nothing about the contact that is as old as the row or older is taken.
ALTER TABLE objects ADD COLUMN erased boolean NOT NULL DEFAULT false;

-- Whom a remembered answer is about.
ALTER TABLE answers ADD COLUMN contact text COLLATE "C";
