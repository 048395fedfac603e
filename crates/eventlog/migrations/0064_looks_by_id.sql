-- When a contact was last asked for by its id: the search does not show all of its fields. Of contacts from before this column it is not
-- known; the next sweep asks for each of them once.
ALTER TABLE known_contacts ADD COLUMN by_id_at timestamptz;
