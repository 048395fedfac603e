-- How much of a record was read: a newer program reads more of its fields, and what it reads first is no change. Of what earlier programs left
-- behind, only the first fields were read.
ALTER TABLE known_records ADD COLUMN reading integer NOT NULL DEFAULT 1;
