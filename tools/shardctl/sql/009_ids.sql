-- Row ids: 41 bits of milliseconds since 2024-01-01 | bucket | sequence, 63 bits in all.
--
-- Time and sequence together are a tick. The shard's ticks come from one hybrid logical clock,
-- flotilla.tick_seq: it follows the clock forward and never goes back, so that a clock that steps back
-- makes no id twice. A bucket lives on one shard, so (tick, bucket) is unique in the cluster; a move
-- must call advance_ticks() on the target with the source's tick before it grants.

SET LOCAL ROLE flotilla;

CREATE SEQUENCE IF NOT EXISTS flotilla.tick_seq AS bigint MINVALUE 0 START 0 MAXVALUE :tick_max;
COMMENT ON SEQUENCE flotilla.tick_seq IS 'The shard''s hybrid logical clock; read and moved by flotilla''s functions alone.';

CREATE OR REPLACE FUNCTION flotilla.sequence_bits() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN :sequence_bits;
COMMENT ON FUNCTION flotilla.sequence_bits() IS 'How many bits of a row id count within a millisecond.';

CREATE OR REPLACE FUNCTION flotilla.make_id(tick bigint, bucket integer) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ((tick >> :sequence_bits) << 22) | (bucket::bigint << :sequence_bits) | (tick & ((1::bigint << :sequence_bits) - 1));
COMMENT ON FUNCTION flotilla.make_id(bigint, integer) IS 'The row id of a tick in a bucket.';

CREATE OR REPLACE FUNCTION flotilla.id_bucket(id bigint) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ((id >> :sequence_bits) & (:buckets - 1))::integer;
COMMENT ON FUNCTION flotilla.id_bucket(bigint) IS 'The bucket that a row id carries.';

CREATE OR REPLACE FUNCTION flotilla.id_time(id bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN to_timestamp(0) + ((id >> 22) + 1704067200000) * interval '1 millisecond';
COMMENT ON FUNCTION flotilla.id_time(bigint) IS 'When a row id was made, by its shard''s clock.';

-- The first tick of this moment.
CREATE OR REPLACE FUNCTION flotilla.tick_now() RETURNS bigint
LANGUAGE sql VOLATILE
RETURN ((date_part('epoch', clock_timestamp()) * 1000)::bigint - 1704067200000) << :sequence_bits;

-- The next tick.
--
-- nextval and setval can't be one step, so a lock stands between those who draw (shared) and those who
-- move the clock (exclusive). A transaction's lock would be held to its end and a session's would
-- outlive a cancelled statement in a pooled connection; an advisory lock taken in a block that is then
-- rolled back lasts exactly as long as the block, and sequences don't roll back.
--
-- The clock may lag 8 ms behind, so that a busy shard moves it 125 times a second at most.
--
-- Without a SET clause, which would double its price: only functions that have one call it.
CREATE OR REPLACE FUNCTION flotilla.draw_tick() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    tick   bigint;
    lowest bigint;
BEGIN
    BEGIN
        PERFORM pg_advisory_xact_lock_shared(1179406164, 2);
        tick := nextval('flotilla.tick_seq');
        RAISE EXCEPTION USING ERRCODE = 'FL000';
    EXCEPTION WHEN SQLSTATE 'FL000' THEN
        NULL;
    END;
    lowest := flotilla.tick_now();
    IF tick >= lowest - (8::bigint << flotilla.sequence_bits()) THEN
        RETURN tick;
    END IF;
    RETURN flotilla.reserve_ticks(1);
END
$$;

CREATE OR REPLACE FUNCTION flotilla.reserve_ticks(count integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    first bigint;
BEGIN
    IF count IS NULL OR count NOT BETWEEN 1 AND 1048576 THEN
        RAISE EXCEPTION 'cannot reserve % ticks', count
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Reserve 1 to 1048576 at a time.';
    END IF;
    BEGIN
        PERFORM pg_advisory_xact_lock(1179406164, 2);
        first := greatest(nextval('flotilla.tick_seq'), flotilla.tick_now());
        PERFORM setval('flotilla.tick_seq', first + count - 1);
        RAISE EXCEPTION USING ERRCODE = 'FL000';
    EXCEPTION WHEN SQLSTATE 'FL000' THEN
        NULL;
    END;
    RETURN first;
END
$$;
COMMENT ON FUNCTION flotilla.reserve_ticks(integer) IS 'Reserves a run of ticks for ids made elsewhere; returns the first.';

-- Never hand out a tick up to this one: what a bucket's former shard has used.
CREATE OR REPLACE FUNCTION flotilla.advance_ticks(used bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moved boolean := false;
BEGIN
    BEGIN
        PERFORM pg_advisory_xact_lock(1179406164, 2);
        IF nextval('flotilla.tick_seq') <= used THEN
            PERFORM setval('flotilla.tick_seq', used);
            moved := true;
        END IF;
        RAISE EXCEPTION USING ERRCODE = 'FL000';
    EXCEPTION WHEN SQLSTATE 'FL000' THEN
        NULL;
    END;
    RETURN moved;
END
$$;
COMMENT ON FUNCTION flotilla.advance_ticks(bigint) IS 'Moves the clock past a tick that another shard has used; true if it was behind.';

-- An id in a bucket that this shard owns.
CREATE OR REPLACE FUNCTION flotilla.next_id_in(bucket integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    tick bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM flotilla.ownership AS o
                   WHERE o.first_bucket <= bucket AND o.last_bucket >= bucket AND o.state = 'owned') THEN
        PERFORM flotilla.refuse_bucket(bucket);
    END IF;
    -- In a variable of its own, for an argument that is volatile keeps make_id from being inlined.
    tick := flotilla.draw_tick();
    RETURN flotilla.make_id(tick, bucket);
END
$$;
COMMENT ON FUNCTION flotilla.next_id_in(integer) IS 'A new row id in a bucket that this shard owns.';

CREATE OR REPLACE FUNCTION flotilla.next_id(key bigint) RETURNS bigint
LANGUAGE sql VOLATILE RETURN flotilla.next_id_in(flotilla.bucket(key));
CREATE OR REPLACE FUNCTION flotilla.next_id(key uuid) RETURNS bigint
LANGUAGE sql VOLATILE RETURN flotilla.next_id_in(flotilla.bucket(key));
CREATE OR REPLACE FUNCTION flotilla.next_id(key text) RETURNS bigint
LANGUAGE sql VOLATILE RETURN flotilla.next_id_in(flotilla.bucket(key));
COMMENT ON FUNCTION flotilla.next_id(bigint) IS 'A new id for a row of this key.';
COMMENT ON FUNCTION flotilla.next_id(uuid) IS 'A new id for a row of this key.';
COMMENT ON FUNCTION flotilla.next_id(text) IS 'A new id for a row of this key.';

-- A user's id is a key and a row id at once: its own hash falls into the bucket that it carries. One
-- (tick, bucket) pair in N is such an id, so a tick is tried with every bucket that the shard owns,
-- from another start each time, lest low buckets get more users.
CREATE OR REPLACE FUNCTION flotilla.next_user_id() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owned CONSTANT integer[] := ARRAY(
        SELECT b FROM flotilla.ownership AS o CROSS JOIN generate_series(o.first_bucket, o.last_bucket) AS b
        WHERE o.state = 'owned' ORDER BY b);
    tick  bigint;
    id    bigint;
BEGIN
    IF (SELECT key_type FROM flotilla.cluster) <> 'bigint' THEN
        RAISE EXCEPTION 'users'' ids are bigint, but this cluster''s keys are %', (SELECT key_type FROM flotilla.cluster)
            USING ERRCODE = 'feature_not_supported', HINT = 'Make the key in the application, then route by it.';
    END IF;
    IF cardinality(owned) = 0 THEN
        RAISE EXCEPTION 'this shard owns no bucket'
            USING ERRCODE = 'FL001', HINT = 'Ask another shard for a user''s id.';
    END IF;
    LOOP
        tick := flotilla.draw_tick();
        SELECT flotilla.make_id(tick, b) INTO id
        FROM unnest(owned) WITH ORDINALITY AS u (b, n)
        WHERE flotilla.bucket(flotilla.make_id(tick, b)) = b
        ORDER BY (n + cardinality(owned) - tick % cardinality(owned)) % cardinality(owned)
        LIMIT 1;
        IF FOUND THEN
            RETURN id;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION flotilla.next_user_id() IS 'A new user''s id: a key whose bucket this shard owns and the id carries.';

RESET ROLE;
