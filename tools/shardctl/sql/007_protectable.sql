-- What a table must be before a fence can hold on it.

SET LOCAL ROLE flotilla;

CREATE OR REPLACE FUNCTION flotilla.check_protectable(target regclass, key name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cluster_key CONSTANT text := (SELECT key_type FROM flotilla.cluster);
    allowed     CONSTANT regtype[] := CASE cluster_key
        WHEN 'uuid' THEN '{uuid}'::regtype[]
        WHEN 'text' THEN '{text,varchar}'::regtype[]
        WHEN 'int' THEN '{integer,smallint}'::regtype[]
        ELSE '{bigint,integer,smallint}'::regtype[]
    END;
    relation    pg_class;
    col         pg_attribute;
    culprit     name;
BEGIN
    SELECT * INTO STRICT relation FROM pg_class WHERE oid = target;
    IF relation.relkind NOT IN ('r', 'p') OR relation.relpersistence = 't' THEN
        RAISE EXCEPTION '% is not a permanent table', target
            USING ERRCODE = 'wrong_object_type', HINT = 'Only tables and partitioned tables can be sharded.';
    END IF;
    IF relation.relispartition THEN
        RAISE EXCEPTION 'table % is a partition', target
            USING ERRCODE = 'wrong_object_type',
                  HINT = format('Protect %s; its partitions inherit the fence.',
                                (SELECT relid FROM pg_partition_ancestors(target) WITH ORDINALITY AS a (relid, n)
                                 ORDER BY n DESC LIMIT 1));
    END IF;
    IF relation.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits WHERE target IN (inhparent, inhrelid)) THEN
        RAISE EXCEPTION 'table % takes part in table inheritance', target
            USING ERRCODE = 'wrong_object_type', HINT = 'Use a partitioned table instead.';
    END IF;

    SELECT * INTO col FROM pg_attribute WHERE attrelid = target AND attname = key AND attnum > 0 AND NOT attisdropped;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'column "%" of table % does not exist', key, target USING ERRCODE = 'undefined_column';
    END IF;
    IF col.atttypid <> ALL (allowed::oid[]) THEN
        RAISE EXCEPTION 'key column "%" of table % has type %', key, target, format_type(col.atttypid, col.atttypmod)
            USING ERRCODE = 'datatype_mismatch',
                  HINT = format('This cluster''s keys are %s: the column must be %s.',
                                cluster_key, array_to_string(allowed, ' or '));
    END IF;
    IF col.attgenerated <> '' THEN
        RAISE EXCEPTION 'key column "%" of table % is generated', key, target
            USING ERRCODE = 'invalid_table_definition', HINT = 'The key must be a column that the application sets.';
    END IF;
    -- Under such a collation the server hashes the sort key, so that 'A' and 'a' may be one partition's key.
    IF NOT coalesce((SELECT collisdeterministic FROM pg_collation WHERE oid = col.attcollation), true) THEN
        RAISE EXCEPTION 'key column "%" of table % has a nondeterministic collation', key, target
            USING ERRCODE = 'collation_mismatch', HINT = 'Give the column COLLATE "C" or another deterministic collation.';
    END IF;

    IF NOT EXISTS (SELECT FROM pg_index
                   WHERE indrelid = target AND indisprimary
                     AND col.attnum = ANY ((indkey::smallint[])[0:indnkeyatts - 1])) THEN
        RAISE EXCEPTION 'key column "%" is not in the primary key of table %', key, target
            USING ERRCODE = 'invalid_table_definition',
                  HINT = format('Declare PRIMARY KEY (%I, …): a row is found by its key on one shard.', key);
    END IF;
    -- Without the key, a unique index promises what it can't keep: the other shards don't see it.
    SELECT indexrelid::regclass::text INTO culprit FROM pg_index
    WHERE indrelid = target AND indisunique AND col.attnum <> ALL ((indkey::smallint[])[0:indnkeyatts - 1])
    ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'unique index % of table % lacks the key column "%"', culprit, target, key
            USING ERRCODE = 'invalid_table_definition',
                  HINT = 'Add the key column to the index; it would be unique on this shard only.';
    END IF;
    SELECT conname INTO culprit FROM pg_constraint
    WHERE conrelid = target AND contype = 'x' AND col.attnum <> ALL (conkey) ORDER BY 1 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'exclusion constraint "%" of table % lacks the key column "%"', culprit, target, key
            USING ERRCODE = 'invalid_table_definition',
                  HINT = 'Add the key column WITH =; it would hold on this shard only.';
    END IF;
    -- A move filters by the key, and a filter may only use columns of the replica identity.
    IF relation.relreplident NOT IN ('d', 'f')
       AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = target AND indisreplident
                                              AND col.attnum = ANY ((indkey::smallint[])[0:indnkeyatts - 1])) THEN
        RAISE EXCEPTION 'the replica identity of table % lacks the key column "%"', target, key
            USING ERRCODE = 'invalid_table_definition',
                  HINT = format('Run ALTER TABLE %s REPLICA IDENTITY DEFAULT.', target);
    END IF;
END
$$;
COMMENT ON FUNCTION flotilla.check_protectable(regclass, name)
    IS 'Raises unless the table can be sharded by this column; says what to change.';

RESET ROLE;
