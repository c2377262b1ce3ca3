-- The barrier: for a moment nobody writes. What is done on all shards while each of them has its
-- barrier up lies between two commits everywhere.
--
-- It is a lock, not a pause of the poolers: it also holds who connects directly, waits for whoever is
-- in the middle of a write, and ends with its transaction, so with the session of a tool that dies.

SET LOCAL ROLE flotilla;

CREATE OR REPLACE FUNCTION flotilla.barrier(OUT locked integer, OUT open text[])
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    locked := 0;
    open := '{}';
    FOR item IN
        SELECT c.oid::regclass AS name,
               has_table_privilege(current_user, c.oid, 'UPDATE, DELETE, TRUNCATE') AS may_lock
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        -- Partitions are locked with their parent. Unlogged tables aren't in the WAL, so not in a restore.
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence = 'p'
          AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
          -- Tables of extensions are written by extensions.
          AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'e')
        ORDER BY c.oid
    LOOP
        IF item.may_lock THEN
            EXECUTE format('LOCK TABLE %s IN SHARE MODE', item.name);
            locked := locked + 1;
        ELSE
            open := open || item.name::text;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION flotilla.barrier() IS
    'Locks every table against writes until the end of the transaction; names those that it may not lock.';

RESET ROLE;
