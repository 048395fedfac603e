-- On which contacts a record is.
CREATE INDEX known_records_elsewhere ON known_records (location_id, kind, record_id) WHERE present AND kind <> 'contact';
