-- What was read again and compared with the log, by day: how many records, and how many of them differed.
CREATE TABLE parity (
    location_id text   NOT NULL,
    kind        text   NOT NULL,
    day         date   NOT NULL,
    compared    bigint NOT NULL,
    differed    bigint NOT NULL,
    PRIMARY KEY (location_id, kind, day)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON parity TO mirror_service;
