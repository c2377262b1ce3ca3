-- Seals a new or attached partition at once. Default privileges give every new table to the
-- applications, but a partition is to be written through its parent alone. Where this can't be
-- installed, flotilla.fences shows the open ones and flotilla.seal_partitions() closes them.
--
-- It runs for everyone who makes a table here, hence catalogs only: not all may look into flotilla.
CREATE OR REPLACE FUNCTION flotilla.seal_new_partitions() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaf record;
BEGIN
    FOR leaf IN
        SELECT DISTINCT c.oid::regclass AS name, a.grantee
        FROM pg_event_trigger_ddl_commands() AS d
        CROSS JOIN LATERAL pg_partition_tree(d.objid) AS t
        JOIN pg_class AS c ON c.oid = t.relid AND c.relispartition
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE d.classid = 'pg_class'::regclass AND d.object_type IN ('table', 'partitioned table')
          AND a.grantee <> c.relowner
          AND EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS p (relid)
                      JOIN pg_constraint AS f ON f.conrelid = p.relid AND f.conname = 'flotilla_fence')
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', leaf.name,
                       CASE leaf.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(leaf.grantee)) END);
    END LOOP;
END
$$;
ALTER FUNCTION flotilla.seal_new_partitions() OWNER TO flotilla;
REVOKE ALL ON FUNCTION flotilla.seal_new_partitions() FROM PUBLIC;
DROP EVENT TRIGGER IF EXISTS flotilla_seal;
CREATE EVENT TRIGGER flotilla_seal ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE')
    EXECUTE FUNCTION flotilla.seal_new_partitions();
