-- On which contacts a record is, or once was.
DROP INDEX known_records_elsewhere;
CREATE INDEX known_records_by_record ON known_records (location_id, kind, record_id) WHERE kind <> 'contact';
