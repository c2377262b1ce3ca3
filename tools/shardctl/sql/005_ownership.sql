-- Ownership: which buckets this shard may write, and the epoch at which that was decided.

SET LOCAL ROLE flotilla;

CREATE TABLE IF NOT EXISTS flotilla.ownership (
    first_bucket integer     NOT NULL PRIMARY KEY,
    last_bucket  integer     NOT NULL,
    state        text        NOT NULL CHECK (state IN ('owned', 'importing', 'none')),
    epoch        bigint      NOT NULL CHECK (epoch > 0),
    since        timestamptz NOT NULL DEFAULT now(),
    CHECK (first_bucket >= 0 AND first_bucket <= last_bucket AND last_bucket < :buckets),
    EXCLUDE USING gist (int4range(first_bucket, last_bucket, '[]') WITH &&)
);
COMMENT ON TABLE flotilla.ownership IS 'Which buckets this shard owns, imports or has nothing to do with; every bucket once.';

-- The epoch is a sequence because a sequence is read as it is now, not as the transaction's snapshot
-- has it: a REPEATABLE READ transaction older than a flip learns of the flip too. It only rises, even
-- where the transaction that raised it rolls back.
CREATE SEQUENCE IF NOT EXISTS flotilla.epoch_seq AS bigint MINVALUE 1 START 1;
COMMENT ON SEQUENCE flotilla.epoch_seq IS 'The epoch of this shard''s ownership; read it with flotilla.epoch().';

CREATE OR REPLACE FUNCTION flotilla.epoch() RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT last_value FROM flotilla.epoch_seq;
END;
COMMENT ON FUNCTION flotilla.epoch() IS 'The epoch of this shard''s ownership.';

-- Every change of ownership or of a fence holds this lock to its end, so that no fence is made from an
-- ownership that is just being changed. Under an older snapshot the lock would prove nothing.
CREATE OR REPLACE FUNCTION flotilla.lock_ownership() RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'ownership and fences cannot be changed in a % transaction', current_setting('transaction_isolation')
            USING ERRCODE = 'invalid_transaction_state', HINT = 'Use BEGIN ISOLATION LEVEL READ COMMITTED.';
    END IF;
    LOCK TABLE flotilla.ownership IN SHARE ROW EXCLUSIVE MODE;
END
$$;

CREATE OR REPLACE FUNCTION flotilla.advance_epoch(new_epoch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM flotilla.lock_ownership();
    IF new_epoch < flotilla.epoch() THEN
        RAISE EXCEPTION 'the epoch cannot go back from % to %', flotilla.epoch(), new_epoch
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Another change of ownership came first; read the map again.';
    END IF;
    IF new_epoch = flotilla.epoch() THEN
        RETURN false;
    END IF;
    PERFORM setval('flotilla.epoch_seq', new_epoch);
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.advance_epoch(bigint) IS 'Raises the epoch; true if that changed anything.';

-- What a new shard starts with: the buckets that it owns, and none for all others.
CREATE OR REPLACE FUNCTION flotilla.seed_ownership(owned int4multirange) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    everything CONSTANT int4multirange := int4multirange(int4range(0, flotilla.buckets()));
BEGIN
    PERFORM flotilla.lock_ownership();
    IF EXISTS (SELECT FROM flotilla.ownership) THEN
        RETURN false;
    END IF;
    IF NOT owned <@ everything THEN
        RAISE EXCEPTION 'buckets % do not all exist', owned
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('This cluster has buckets 0 to %s.', flotilla.buckets() - 1);
    END IF;
    INSERT INTO flotilla.ownership (first_bucket, last_bucket, state, epoch)
    SELECT lower(span), upper(span) - 1, 'owned', flotilla.epoch() FROM unnest(owned) AS span
    UNION ALL
    SELECT lower(span), upper(span) - 1, 'none', flotilla.epoch() FROM unnest(everything - owned) AS span;
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.seed_ownership(int4multirange)
    IS 'Gives a shard without ownership its first buckets; false, and nothing changed, if it has any already.';

-- One step of a move on this shard. It changes what the fences must say, not the fences: call
-- flotilla.swap_fence() for every table afterwards, and grant nothing elsewhere before all are swapped.
CREATE OR REPLACE FUNCTION flotilla.set_ownership(
    first_bucket integer, last_bucket integer, new_state text, new_epoch bigint
) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    lowest  CONSTANT integer := set_ownership.first_bucket;
    highest CONSTANT integer := set_ownership.last_bucket;
    old     flotilla.ownership[];
BEGIN
    PERFORM flotilla.lock_ownership();
    IF lowest IS NULL OR highest IS NULL OR lowest < 0 OR lowest > highest OR highest >= flotilla.buckets() THEN
        RAISE EXCEPTION 'invalid bucket range %-%', lowest, highest
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = format('This cluster has buckets 0 to %s.', flotilla.buckets() - 1);
    END IF;
    old := ARRAY(
        SELECT o FROM flotilla.ownership AS o
        WHERE int4range(o.first_bucket, o.last_bucket, '[]') && int4range(lowest, highest, '[]')
        ORDER BY o.first_bucket);
    IF cardinality(old) = 0 THEN
        RAISE EXCEPTION 'this shard has no ownership yet'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run shardctl init first.';
    END IF;
    -- Clients may have written to an owned bucket; an import over it would mix two histories.
    IF new_state = 'importing' AND EXISTS (SELECT FROM unnest(old) AS o WHERE o.state = 'owned') THEN
        RAISE EXCEPTION 'buckets %-% are owned by this shard and cannot be imported', lowest, highest
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Revoke them first (state none).';
    END IF;
    PERFORM flotilla.advance_epoch(new_epoch);
    IF NOT EXISTS (SELECT FROM unnest(old) AS o WHERE (o.state, o.epoch) IS DISTINCT FROM (new_state, new_epoch)) THEN
        RETURN false;
    END IF;

    DELETE FROM flotilla.ownership AS o
    WHERE int4range(o.first_bucket, o.last_bucket, '[]') && int4range(lowest, highest, '[]');
    INSERT INTO flotilla.ownership (first_bucket, last_bucket, state, epoch, since)
    SELECT o.first_bucket, lowest - 1, o.state, o.epoch, o.since FROM unnest(old) AS o WHERE o.first_bucket < lowest
    UNION ALL
    SELECT highest + 1, o.last_bucket, o.state, o.epoch, o.since FROM unnest(old) AS o WHERE o.last_bucket > highest
    UNION ALL
    SELECT lowest, highest, new_state, new_epoch, now();
    RETURN true;
END
$$;
COMMENT ON FUNCTION flotilla.set_ownership(integer, integer, text, bigint)
    IS 'Sets the state of a range of buckets at an epoch; true if that changed anything. Swap the fences afterwards.';

-- The buckets in any of these states, as a bit string; bucket 0 is the first bit.
CREATE OR REPLACE FUNCTION flotilla.ownership_bits(VARIADIC states text[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg(repeat(CASE WHEN o.state = ANY (states) THEN '1' ELSE '0' END,
                             o.last_bucket - o.first_bucket + 1), '' ORDER BY o.first_bucket)
    FROM flotilla.ownership AS o
$$;

RESET ROLE;
