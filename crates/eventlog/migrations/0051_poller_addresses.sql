-- Where a replica of the poller is reached by the others, which pass on what only the holder of a location may answer.
ALTER TABLE pollers ADD COLUMN address text NOT NULL DEFAULT '';
