-- What migrations have left here, for whoever watches. Role monitor reads none of owner's tables, and the
-- history of migrations is one of them, whether migrate or Flyway has made it.

SET LOCAL ROLE flotilla;

CREATE OR REPLACE FUNCTION flotilla.history_table() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY[:'history_schema', :'history_table']::text[];
COMMENT ON FUNCTION flotilla.history_table() IS 'Schema and name of the history of migrations, as the topology has them.';

-- Not who applied it, nor when. It runs with the rights of flotilla, and the table belongs to owner, who may
-- make something else of it: whatever could run a function of owner's while it is read is refused.
CREATE OR REPLACE FUNCTION flotilla.schema_history()
RETURNS TABLE (installed_rank integer, version varchar, description varchar, type varchar, script varchar,
               checksum integer, success boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := format('%I.%I', VARIADIC flotilla.history_table());
    history regclass := to_regclass(named);
BEGIN
    IF history IS NULL THEN
        RAISE EXCEPTION 'there is no table %', named USING ERRCODE = 'undefined_table';
    END IF;
    -- From here on it stays what it is.
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', named);
    history := to_regclass(named);
    IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = history AND c.relkind = 'r' AND NOT c.relrowsecurity)
        OR EXISTS (SELECT FROM pg_index AS i
                   WHERE i.indrelid = history AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL))
        OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = history AND k.contype = 'c')
        OR EXISTS (SELECT FROM pg_statistic_ext AS s WHERE s.stxrelid = history)
        OR 7 <> (SELECT count(*)
                 FROM pg_attribute AS a
                 JOIN (VALUES ('installed_rank', 'integer'::regtype), ('version', 'varchar'), ('description', 'varchar'),
                              ('type', 'varchar'), ('script', 'varchar'), ('checksum', 'integer'),
                              ('success', 'boolean')) AS w (name, type)
                   ON a.attname = w.name AND a.atttypid = w.type
                 WHERE a.attrelid = history AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
    THEN
        RAISE EXCEPTION '% is not a table as Flyway makes it', named
            USING ERRCODE = 'wrong_object_type',
                  HINT = 'It may have no policies, checks, statistics or indexes on expressions, and its columns must have their types.';
    END IF;
    RETURN QUERY EXECUTE format(
        'SELECT h.installed_rank, h.version, h.description, h.type, h.script, h.checksum, h.success '
        'FROM ONLY %s AS h ORDER BY h.installed_rank', named);
END
$$;
COMMENT ON FUNCTION flotilla.schema_history() IS 'What migrations have left in the history, without who and when.';

RESET ROLE;
