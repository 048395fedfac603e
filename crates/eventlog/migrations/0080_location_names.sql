-- What users, custom fields and calendars of a location are called in its events, as digests, and a rename that is being carried to the
-- records which show it: of what (`renamed`), and up to which contact (`after`).
CREATE TABLE location_names (
    location_id text  NOT NULL PRIMARY KEY,
    shown       bytea NOT NULL,
    renamed     bytea,
    after       text  NOT NULL DEFAULT ''
);

GRANT SELECT, INSERT, UPDATE, DELETE ON location_names TO mirror_service;
