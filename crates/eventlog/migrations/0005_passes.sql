-- How far each net has come through each kind of record.

CREATE TABLE passes (
    location_id    text        NOT NULL,
    net            text        NOT NULL,
    kind           text        NOT NULL,
    -- The pass that is under way; nothing while none is.
    started_at     timestamptz,
    cursor         json,
    seen           bigint      NOT NULL DEFAULT 0,
    total          bigint,
    -- When the last pass ended, complete or not.
    ended_at       timestamptz,
    -- When the last complete pass began: everything was seen since then.
    complete_since timestamptz,
    complete_at    timestamptz,
    PRIMARY KEY (location_id, net, kind)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON passes TO mirror_service;

-- Whether GHL has the contact, as far as is known.
ALTER TABLE known_contacts ADD COLUMN present boolean NOT NULL DEFAULT true;
UPDATE known_contacts k SET present = false FROM known_records r
    WHERE r.location_id = k.location_id AND r.contact_id = k.contact_id AND r.kind = 'contact' AND NOT r.present;

-- Whose notes have not been looked at for the longest time.
CREATE INDEX known_contacts_by_notes ON known_contacts (location_id, (coalesce(notes_asked_at, '-infinity'::timestamptz)), contact_id)
    WHERE present;
