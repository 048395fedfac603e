-- The contact first: on a table that was never analyzed an index that begins as the key does was taken for it, and every look-up of an object
-- read all of the location.
DROP INDEX ledger_of_contact;
CREATE INDEX ledger_of_contact ON ledger (contact_id, location_id, workspace);
