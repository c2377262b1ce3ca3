-- What an audit has to see and an ordinary role may not. Apart from schema flotilla, whose owner must not
-- come by any of it. The functions run as the administrator and give away no more than their names say:
-- what kind a password is of, never a verifier; whether a line is in the log, never a line.
CREATE SCHEMA IF NOT EXISTS flotilla_posture;
REVOKE ALL ON SCHEMA flotilla_posture FROM PUBLIC;
GRANT USAGE ON SCHEMA flotilla_posture TO :"monitor";

CREATE OR REPLACE FUNCTION flotilla_posture.password_kinds()
RETURNS TABLE (role name, kind text, superuser boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT rolname,
           CASE WHEN rolpassword IS NULL THEN 'none'
                WHEN rolpassword LIKE 'SCRAM-SHA-256$%' THEN 'scram'
                WHEN rolpassword LIKE 'md5%' THEN 'md5'
                ELSE 'other' END,
           rolsuper
    FROM pg_authid
    WHERE rolcanlogin
$$;

-- Whether the server keeps its log itself, where it can read it.
CREATE OR REPLACE FUNCTION flotilla_posture.keeps_log() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_current_logfile() IS NOT NULL
$$;

-- Whether the end of that log has a line of pgaudit's with this mark. A mark is a UUID, so nobody can
-- find out by it what else is there.
CREATE OR REPLACE FUNCTION flotilla_posture.is_audited(mark uuid) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bool_or(line LIKE '%AUDIT: %' AND line LIKE '%' || mark || '%'), false)
    FROM (SELECT pg_current_logfile() AS name) AS f
    CROSS JOIN LATERAL pg_stat_file(f.name, true) AS s
    CROSS JOIN LATERAL regexp_split_to_table(
        -- Half a character at the beginning is no error this way.
        encode(pg_read_binary_file(f.name, greatest(s.size - 4194304, 0), 4194304, true), 'escape'), E'\n') AS line
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA flotilla_posture FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA flotilla_posture TO :"monitor";

-- Who may come from where, as the server has read it.
GRANT SELECT ON pg_catalog.pg_hba_file_rules TO :"monitor";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO :"monitor";
