-- When a contact's records of a kind were last looked at is in a column that is called like the kind: `<kind>_asked_at`. A new kind adds
-- its column here and nothing to any statement. Renaming moves no rows; the index on notes follows.
ALTER TABLE known_contacts RENAME COLUMN tasks_asked_at TO task_asked_at;
ALTER TABLE known_contacts RENAME COLUMN notes_asked_at TO note_asked_at;
ALTER TABLE known_contacts RENAME COLUMN appointments_asked_at TO appointment_asked_at;
