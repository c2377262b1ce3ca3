-- How a fence refuses. Class FL means: your route is out of date, read the map again.
--
--   FL001  this shard doesn't own the row's bucket (or still imports it)
--   FL002  the session's epoch is older than the shard's
--   FL003  the session's epoch is newer than the shard's
--
-- The message names the bucket, never the key or the row: both may be personal data, and messages
-- end in logs.

SET LOCAL ROLE flotilla;

CREATE OR REPLACE FUNCTION flotilla.refuse_bucket(refused integer) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    place text;
BEGIN
    -- Only words are looked up here. Where even that fails, as in a restore that hasn't come to these
    -- tables yet, the refusal stands. A snapshot from before a flip still shows the bucket as owned.
    BEGIN
        SELECT CASE o.state
                   WHEN 'owned' THEN 'The transaction is older than the change of ownership.'
                   ELSE format('Bucket %s is in state "%s" on shard "%s", epoch %s.',
                               refused, coalesce(o.state, 'none'), c.shard, flotilla.epoch())
               END
        INTO place
        FROM flotilla.cluster AS c
        LEFT JOIN flotilla.ownership AS o ON refused BETWEEN o.first_bucket AND o.last_bucket;
    EXCEPTION WHEN undefined_table OR undefined_function OR insufficient_privilege THEN
        place := NULL;
    END;
    RAISE EXCEPTION 'this shard does not own bucket %', coalesce(refused::text, 'of a null key')
        USING ERRCODE = 'FL001',
              DETAIL = coalesce(place, 'The shard''s ownership could not be read.'),
              HINT = 'Read the shard map again and retry on the bucket''s owner.';
END
$$;

CREATE OR REPLACE FUNCTION flotilla.reject(key bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT flotilla.refuse_bucket(flotilla.bucket(key)) $$;

CREATE OR REPLACE FUNCTION flotilla.reject(key uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT flotilla.refuse_bucket(flotilla.bucket(key)) $$;

CREATE OR REPLACE FUNCTION flotilla.reject(key text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT flotilla.refuse_bucket(flotilla.bucket(key)) $$;

COMMENT ON FUNCTION flotilla.reject(bigint) IS 'Raises FL001 for a key that this shard does not own; the row fence calls it.';
COMMENT ON FUNCTION flotilla.reject(uuid) IS 'Raises FL001 for a key that this shard does not own; the row fence calls it.';
COMMENT ON FUNCTION flotilla.reject(text) IS 'Raises FL001 for a key that this shard does not own; the row fence calls it.';

-- Compares a map's epoch with the shard's. For reads, which no trigger sees: call it in the same
-- transaction, or let the statement guard do so on the first write.
CREATE OR REPLACE FUNCTION flotilla.check_epoch(claimed bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    actual CONSTANT bigint := flotilla.epoch();
BEGIN
    IF claimed < actual THEN
        RAISE EXCEPTION 'the shard map is out of date: epoch %, but the shard is at %', claimed, actual
            USING ERRCODE = 'FL002', HINT = 'Read the shard map again and retry.';
    ELSIF claimed > actual THEN
        RAISE EXCEPTION 'the shard is behind the map: epoch %, but the map is at %', actual, claimed
            USING ERRCODE = 'FL003',
                  HINT = 'Retry in a moment; if it stays so, compare the shards with shardctl map.';
    END IF;
END
$$;
COMMENT ON FUNCTION flotilla.check_epoch(bigint) IS 'Raises FL002 or FL003 unless this is the shard''s epoch.';

-- The statement guard. A misrouted UPDATE or DELETE matches no row, so that no row fence sees it.
CREATE OR REPLACE FUNCTION flotilla.guard_statement() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    claimed CONSTANT text := current_setting('flotilla.epoch', true);
BEGIN
    -- Empty once a transaction that had it SET LOCAL has ended.
    IF claimed <> '' THEN
        PERFORM flotilla.check_epoch(claimed::bigint);
    END IF;
    IF TG_OP = 'TRUNCATE' AND EXISTS (SELECT FROM flotilla.ownership WHERE state = 'importing') THEN
        RAISE EXCEPTION 'cannot truncate a table while buckets are being imported'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Wait for the move to end, or abort it.';
    END IF;
    RETURN NULL;
END
$$;

-- The row guard, present only while rows of buckets that this shard doesn't own may be in the table:
-- those that it imports, and those that it has given away and not yet swept. The triggers' WHEN has
-- decided already; replication's apply worker doesn't fire them.
-- Arguments: the key column, and the owned buckets as bits.
CREATE OR REPLACE FUNCTION flotilla.guard_row() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bucket_of CONSTANT text := format('SELECT flotilla.bucket(($1).%I)', TG_ARGV[0]);
    bucket    integer;
BEGIN
    IF current_setting('flotilla.sweep', true) = 'on' AND pg_has_role('flotilla', 'MEMBER') THEN
        IF TG_OP = 'DELETE' THEN
            RETURN OLD;
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE bucket_of INTO bucket USING OLD;
    END IF;
    -- An UPDATE whose old row is owned was stopped for its new one.
    IF TG_OP <> 'DELETE' AND (bucket IS NULL OR substr(TG_ARGV[1], bucket + 1, 1) = '1') THEN
        EXECUTE bucket_of INTO bucket USING NEW;
    END IF;
    PERFORM flotilla.refuse_bucket(bucket);
    RETURN NULL;
END
$$;

RESET ROLE;
