-- Who asked to see what the log holds. Rows are only added; the services may remove none but those that are old enough, by the function
-- below.
CREATE TABLE access_log (
    location_id text        NOT NULL,
    id          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- By the caller's own word.
    who         text        NOT NULL,
    peer        text        NOT NULL,
    -- The beginning of the hash of the token that the call carried.
    token       text        NOT NULL,
    call        text        NOT NULL,
    -- Whom it was about; none for the location as a whole.
    contact_id  text,
    traceparent text,
    PRIMARY KEY (location_id, id)
);
CREATE INDEX access_log_of_contact ON access_log (location_id, contact_id, id);
CREATE INDEX access_log_by_age ON access_log (at);

REVOKE ALL ON access_log FROM PUBLIC;
GRANT SELECT ON access_log TO mirror_service;
GRANT INSERT (location_id, who, peer, token, call, contact_id, traceparent) ON access_log TO mirror_service;

-- Forgets what is older than `keep`, never anything of the last day, and says how many that were.
CREATE FUNCTION forget_accesses(keep interval) RETURNS bigint LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    WITH gone AS (DELETE FROM public.access_log WHERE at < clock_timestamp() - greatest(keep, interval '1 day') RETURNING 1)
    SELECT count(*) FROM gone;
END;
REVOKE ALL ON FUNCTION forget_accesses(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_accesses(interval) TO mirror_service;
