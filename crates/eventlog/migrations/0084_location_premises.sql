-- What the users, custom fields and calendars of a location are called, and its time zone, as GHL last gave them: for a poller that starts while
-- GHL refuses or does not answer a list. Sealed under log.kek where there is one, as `kek_id` says.
CREATE TABLE location_premises (
    location_id text  NOT NULL PRIMARY KEY,
    kek_id      text  NOT NULL,
    content     bytea NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON location_premises TO mirror_service;
