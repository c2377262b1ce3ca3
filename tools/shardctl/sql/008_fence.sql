-- The fence on a sharded table.
--
--   flotilla_fence      CHECK: rows of buckets that are owned or being imported, no others
--   flotilla_guard      statement trigger: the session's epoch
--   zz_flotilla_*       row triggers, only while foreign rows may be in the table
--
-- The constraint holds constants only. A CHECK or trigger that read flotilla.ownership would see the
-- transaction's snapshot: one older than a flip would still write. A constraint is what it is now, and
-- the ALTER TABLE that changes it waits for every transaction that has written.
--
-- zz, for BEFORE triggers fire in the order of their names, and one before might set the key.

SET LOCAL ROLE flotilla;

-- The test of a bucket against constant bits. `owner` prefixes the column: '', 'old.' or 'new.'.
CREATE OR REPLACE FUNCTION flotilla.bit_test(bits text, owner text, key name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT format('get_bit(B%L, %s) = 1', bits,
                  flotilla.bucket_expression(owner || quote_ident(key), (SELECT key_type FROM flotilla.cluster)))
$$;

-- A relation's fences as the catalog has them.
CREATE OR REPLACE FUNCTION flotilla.fence_state(
    target regclass, OUT bits text, OUT validated boolean, OUT guarded boolean, OUT row_guards text
)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT (SELECT substring(pg_get_constraintdef(oid) FROM 'get_bit\(''([01]+)''') FROM pg_constraint
            WHERE conrelid = target AND conname = 'flotilla_fence' AND contype = 'c'),
           (SELECT convalidated FROM pg_constraint
            WHERE conrelid = target AND conname = 'flotilla_fence' AND contype = 'c'),
           EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'flotilla_guard' AND tgenabled IN ('O', 'A')),
           (SELECT string_agg(format('%s:%s', tgname, encode(tgargs, 'escape')), ' ' ORDER BY tgname) FROM pg_trigger
            WHERE tgrelid = target AND tgname ~ '^zz_flotilla_' AND tgenabled IN ('O', 'A'))
$$;

-- What the row guards must be: a text to compare with fence_state's.
CREATE OR REPLACE FUNCTION flotilla.wanted_row_guards(key name, foreign_rows boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(format('%s:%s\000%s\000', tgname, key, flotilla.ownership_bits('owned')), ' ' ORDER BY tgname)
    FROM unnest(ARRAY['zz_flotilla_delete', 'zz_flotilla_insert', 'zz_flotilla_update']) AS tgname
    WHERE CASE WHEN flotilla.ownership_bits('importing') LIKE '%1%' THEN true
               ELSE foreign_rows AND tgname <> 'zz_flotilla_insert' END
$$;

-- Makes the row guards what they must be. Only an import needs one on INSERT, and it has a price: COPY
-- can't batch its rows while there is one.
CREATE OR REPLACE FUNCTION flotilla.set_row_guards(target regclass, key name, foreign_rows boolean) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    owned     CONSTANT text := flotilla.ownership_bits('owned');
    importing CONSTANT text := flotilla.ownership_bits('importing');
    guard     CONSTANT text := format('EXECUTE FUNCTION flotilla.guard_row(%L, %L)', key, owned);
    wanted    CONSTANT text := flotilla.wanted_row_guards(key, foreign_rows);
    old_owned CONSTANT text := flotilla.bit_test(owned, 'old.', key);
    new_comes CONSTANT text := flotilla.bit_test(importing, 'new.', key);
BEGIN
    IF wanted IS NOT DISTINCT FROM (flotilla.fence_state(target)).row_guards THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_delete ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_insert ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_update ON %s', target);
    IF wanted LIKE '%zz_flotilla_delete%' THEN
        EXECUTE format('CREATE TRIGGER zz_flotilla_delete BEFORE DELETE ON %s FOR EACH ROW WHEN (NOT %s) %s',
                       target, old_owned, guard);
        EXECUTE format('CREATE TRIGGER zz_flotilla_update BEFORE UPDATE ON %s FOR EACH ROW WHEN (NOT %s OR %s) %s',
                       target, old_owned, new_comes, guard);
    END IF;
    IF wanted LIKE '%zz_flotilla_insert%' THEN
        EXECUTE format('CREATE TRIGGER zz_flotilla_insert BEFORE INSERT ON %s FOR EACH ROW WHEN (%s) %s',
                       target, new_comes, guard);
    END IF;
    RETURN true;
END
$$;

-- Brings one table's fence to what the ownership says; true if that changed anything. It waits for the
-- table's writers no longer than `patience`, for while it waits everybody queues behind it.
-- The parent of a partitioned table comes before its partitions, in the order ALTER TABLE takes.
CREATE OR REPLACE FUNCTION flotilla.swap_fence(target regclass, patience interval DEFAULT '2s') RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    key     CONSTANT name := (SELECT key_column FROM flotilla.tables WHERE relation = target AND kind = 'sharded');
    before  CONSTANT text := current_setting('lock_timeout');
    allowed text;
    present record;
    empty   boolean;
    changed boolean := false;
BEGIN
    PERFORM flotilla.check_caller(target);
    PERFORM set_config('lock_timeout', (extract(epoch FROM patience) * 1000)::integer::text, true);
    PERFORM flotilla.lock_ownership();
    allowed := flotilla.ownership_bits('owned', 'importing');
    IF key IS NULL THEN
        RAISE EXCEPTION 'table % is not declared as sharded', target
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call flotilla.protect(table, key column).';
    END IF;
    IF allowed IS NULL THEN
        RAISE EXCEPTION 'this shard has no ownership yet'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run shardctl init first.';
    END IF;
    present := flotilla.fence_state(target);
    IF present.bits IS NOT DISTINCT FROM allowed AND present.guarded
       AND present.row_guards IS NOT DISTINCT FROM flotilla.wanted_row_guards(key, NOT present.validated) THEN
        PERFORM set_config('lock_timeout', before, true);
        RETURN false;
    END IF;

    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', target);
    IF present.bits IS DISTINCT FROM allowed THEN
        -- NOT VALID spares a scan under this lock; an empty table needs none.
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', target) INTO empty;
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS flotilla_fence, ADD CONSTRAINT flotilla_fence '
                       'CHECK (CASE WHEN %s THEN true ELSE flotilla.reject(%I) END) %s',
                       target, flotilla.bit_test(allowed, '', key), key, CASE WHEN NOT empty THEN 'NOT VALID' END);
        present.validated := empty;
        changed := true;
    END IF;
    IF NOT present.guarded THEN
        EXECUTE format('CREATE OR REPLACE TRIGGER flotilla_guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION flotilla.guard_statement()', target);
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER flotilla_guard', target);
        changed := true;
    END IF;
    changed := flotilla.set_row_guards(target, key, NOT present.validated) OR changed;
    PERFORM set_config('lock_timeout', before, true);
    RETURN changed;
END
$$;
COMMENT ON FUNCTION flotilla.swap_fence(regclass, interval)
    IS 'Brings a table''s fence to what the ownership says; true if that changed anything.';

-- Proves that no row of a foreign bucket is left; then drops the row guards, which nothing needs any
-- more. False while such rows remain. The scan blocks neither readers nor writers.
CREATE OR REPLACE FUNCTION flotilla.validate_fence(target regclass, patience interval DEFAULT '2s') RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key    CONSTANT name := (SELECT key_column FROM flotilla.tables WHERE relation = target AND kind = 'sharded');
    before CONSTANT text := current_setting('lock_timeout');
BEGIN
    PERFORM flotilla.check_caller(target);
    PERFORM set_config('lock_timeout', (extract(epoch FROM patience) * 1000)::integer::text, true);
    IF (flotilla.fence_state(target)).bits IS DISTINCT FROM flotilla.ownership_bits('owned', 'importing') THEN
        RAISE EXCEPTION 'the fence of table % is not what the ownership says', target
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call flotilla.swap_fence(table) first.';
    END IF;
    BEGIN
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT flotilla_fence', target);
    EXCEPTION WHEN SQLSTATE 'FL001' THEN
        PERFORM set_config('lock_timeout', before, true);
        RETURN false;
    END;
    -- Only now: the scan may take hours, and a change of ownership may come in the meantime.
    PERFORM flotilla.lock_ownership();
    IF (flotilla.fence_state(target)).bits = flotilla.ownership_bits('owned', 'importing') THEN
        PERFORM flotilla.set_row_guards(target, key, false);
    END IF;
    PERFORM set_config('lock_timeout', before, true);
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.validate_fence(regclass, interval)
    IS 'Proves that a table holds no row of a foreign bucket; false while it does.';

-- Takes what applications may do from a partitioned table's partitions: the parent's statement guard
-- doesn't see what is done to a partition by its own name. Its constraint and row guards do.
CREATE OR REPLACE FUNCTION flotilla.seal_partitions(target regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    leaf    record;
    changed boolean := false;
BEGIN
    PERFORM flotilla.check_caller(target);
    FOR leaf IN
        SELECT DISTINCT c.oid::regclass AS name, a.grantee
        FROM pg_partition_tree(target) AS t
        JOIN pg_class AS c ON c.oid = t.relid AND c.relispartition
        CROSS JOIN aclexplode(c.relacl) AS a
        WHERE a.grantee <> c.relowner
    LOOP
        EXECUTE format('REVOKE ALL ON TABLE %s FROM %s', leaf.name,
                       CASE leaf.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(leaf.grantee)) END);
        changed := true;
    END LOOP;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION flotilla.seal_partitions(regclass) IS 'Revokes every grant on a table''s partitions; true if there was one.';

CREATE OR REPLACE FUNCTION flotilla.protect(target regclass, key name DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known   flotilla.tables;
    changed boolean;
BEGIN
    PERFORM flotilla.check_caller(target);
    SELECT * INTO known FROM flotilla.tables WHERE relation = target;
    key := coalesce(key, known.key_column);
    IF key IS NULL THEN
        RAISE EXCEPTION 'table % has no declared key column', target
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Name it: flotilla.protect(table, key column).';
    END IF;
    IF known.key_column <> key THEN
        RAISE EXCEPTION 'table % is sharded by "%" already', target, known.key_column
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Rows are placed by that column; make a new table and copy them through routing.';
    END IF;
    PERFORM flotilla.check_protectable(target, key);
    PERFORM flotilla.forget_dropped();
    INSERT INTO flotilla.tables (relation, kind, key_column) VALUES (target, 'sharded', key)
    ON CONFLICT (relation) DO UPDATE SET kind = 'sharded', key_column = excluded.key_column
    WHERE tables.kind <> 'sharded';
    changed := FOUND;
    changed := flotilla.swap_fence(target) OR changed;
    RETURN flotilla.seal_partitions(target) OR changed;
END
$$;
COMMENT ON FUNCTION flotilla.protect(regclass, name)
    IS 'Declares a table as sharded by a key column and installs both fences; true if that changed anything.';

CREATE OR REPLACE FUNCTION flotilla.unprotect(target regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
BEGIN
    PERFORM flotilla.check_caller(target);
    DELETE FROM flotilla.tables WHERE relation = target AND kind = 'sharded';
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS flotilla_fence', target);
    EXECUTE format('DROP TRIGGER IF EXISTS flotilla_guard ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_delete ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_insert ON %s', target);
    EXECUTE format('DROP TRIGGER IF EXISTS zz_flotilla_update ON %s', target);
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.unprotect(regclass) IS 'Takes a table''s fences and its declaration away; true if it had any.';

-- A detached partition keeps the fence of the day it was detached, and ATTACH refuses another
-- definition or one that isn't valid. Gives it the parent's of today, proved by a scan.
CREATE OR REPLACE FUNCTION flotilla.prepare_attach(leaf regclass, parent regclass) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    wanted text;
BEGIN
    PERFORM flotilla.check_caller(leaf);
    PERFORM flotilla.check_caller(parent);
    SELECT replace(pg_get_constraintdef(oid), ' NOT VALID', '') INTO wanted
    FROM pg_constraint WHERE conrelid = parent AND conname = 'flotilla_fence';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'table % has no fence', parent
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Call flotilla.protect(table, key column) first.';
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE conrelid = leaf AND conname = 'flotilla_fence'
               AND convalidated AND pg_get_constraintdef(oid) = wanted) THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS flotilla_fence', leaf);
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT flotilla_fence %s', leaf, wanted);
    EXECUTE format('DROP TRIGGER IF EXISTS flotilla_guard ON %s', leaf);
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.prepare_attach(regclass, regclass)
    IS 'Gives a table the fence of the partitioned table that it is to be attached to; true if that changed anything.';

-- Every sharded table, and whether its fence is what the ownership says.
CREATE OR REPLACE VIEW flotilla.fences AS
SELECT t.relation,
       t.key_column,
       coalesce(f.bits = o.allowed, false) AND f.guarded
           AND f.row_guards IS NOT DISTINCT FROM flotilla.wanted_row_guards(t.key_column, NOT f.validated) AS current,
       coalesce(f.validated, false) AS validated,
       f.guarded,
       f.row_guards IS NOT NULL AS row_guarded,
       NOT EXISTS (SELECT FROM pg_catalog.pg_partition_tree(t.relation) AS p
                   JOIN pg_catalog.pg_class AS c ON c.oid = p.relid AND c.relispartition
                   CROSS JOIN pg_catalog.aclexplode(c.relacl) AS a
                   WHERE a.grantee <> c.relowner) AS sealed
FROM flotilla.tables AS t
CROSS JOIN LATERAL flotilla.fence_state(t.relation) AS f
CROSS JOIN (SELECT flotilla.ownership_bits('owned', 'importing') AS allowed) AS o
WHERE t.kind = 'sharded' AND EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = t.relation);
COMMENT ON VIEW flotilla.fences IS 'Every sharded table: whether its fence is what the ownership says, and proved.';

-- For people: swaps and proves all fences, a transaction for each table, and tries again where a lock
-- isn't granted. Without a SET clause, since a procedure with one can't commit.
CREATE OR REPLACE PROCEDURE flotilla.swap_fences(patience interval DEFAULT '2s', attempts integer DEFAULT 10)
LANGUAGE plpgsql AS $$
DECLARE
    target  regclass;
    attempt integer;
    done    boolean;
BEGIN
    FOR target IN SELECT f.relation FROM flotilla.fences AS f ORDER BY f.relation::pg_catalog.text LOOP
        attempt := 1;
        LOOP
            BEGIN
                PERFORM flotilla.swap_fence(target, patience);
                done := true;
            EXCEPTION WHEN lock_not_available THEN
                IF attempt >= attempts THEN
                    RAISE;
                END IF;
                done := false;
            END;
            COMMIT;
            EXIT WHEN done;
            attempt := attempt + 1;
            PERFORM pg_catalog.pg_sleep(pg_catalog.random() * 0.2 * attempt);
        END LOOP;
    END LOOP;
    FOR target IN SELECT f.relation FROM flotilla.fences AS f WHERE NOT f.validated LOOP
        IF NOT flotilla.validate_fence(target, patience) THEN
            RAISE NOTICE 'table % holds rows of buckets that this shard does not own', target;
        END IF;
        COMMIT;
    END LOOP;
END
$$;
COMMENT ON PROCEDURE flotilla.swap_fences(interval, integer)
    IS 'Brings every fence to what the ownership says, table by table, and proves it.';

RESET ROLE;
