-- A reference to the head row is checked for every row that is written, though each write has
-- locked that row already and no workspace is ever removed.
ALTER TABLE objects DROP CONSTRAINT objects_workspace_fkey;
ALTER TABLE changes DROP CONSTRAINT changes_workspace_fkey;
ALTER TABLE answers DROP CONSTRAINT answers_workspace_fkey;

-- Room on each page for a new version of a row beside the old one.
ALTER TABLE objects SET (fillfactor = 85);
