-- How many objects of each kind a workspace has: a kind is a row and no longer a column, so that
-- another kind needs no other table. A kind of which there was never an object has no row.
CREATE TABLE object_counts (
    workspace text COLLATE "C" NOT NULL,
    kind      text NOT NULL,
    objects   bigint NOT NULL,
    PRIMARY KEY (workspace, kind)
);

-- Nobody writes while the counts move.
LOCK TABLE workspaces IN ACCESS EXCLUSIVE MODE;

INSERT INTO object_counts (workspace, kind, objects)
SELECT workspace, kind, objects
FROM workspaces, LATERAL (VALUES
    ('contact', contacts), ('project', projects), ('task', tasks), ('note', notes), ('appointment', appointments)
) AS counted (kind, objects)
WHERE objects <> 0;

ALTER TABLE workspaces
    DROP COLUMN contacts, DROP COLUMN projects, DROP COLUMN tasks, DROP COLUMN notes, DROP COLUMN appointments;
