-- Buckets: the remainder that PostgreSQL's hash partitioning computes for a power-of-two modulus.
--
-- 8816678312871386365 is HASH_PARTITION_SEED and 5305509591434766563 the constant of hash_combine64.
-- Both terms are cut to the low bits before they are added: (hash + constant) & mask overflows
-- bigint, and inside a publication's row filter that error ends the walsender.
--
-- These functions carry no SET clause, since with one PostgreSQL wouldn't inline them. They need
-- none: a body in SQL-standard form is bound when it is created.

SET LOCAL ROLE flotilla;

CREATE OR REPLACE FUNCTION flotilla.buckets() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN :buckets;

CREATE OR REPLACE FUNCTION flotilla.bucket(key bigint) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (((hashint8extended(key, 8816678312871386365) & (:buckets - 1))
    + (5305509591434766563 & (:buckets - 1))) & (:buckets - 1))::integer;

CREATE OR REPLACE FUNCTION flotilla.bucket(key uuid) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (((uuid_hash_extended(key, 8816678312871386365) & (:buckets - 1))
    + (5305509591434766563 & (:buckets - 1))) & (:buckets - 1))::integer;

-- Every deterministic collation hashes the bytes, as "C" does.
CREATE OR REPLACE FUNCTION flotilla.bucket(key text) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN (((hashtextextended(key COLLATE "C", 8816678312871386365) & (:buckets - 1))
    + (5305509591434766563 & (:buckets - 1))) & (:buckets - 1))::integer;

COMMENT ON FUNCTION flotilla.buckets() IS 'How many buckets the cluster has.';
COMMENT ON FUNCTION flotilla.bucket(bigint) IS 'The bucket of an integer key.';
COMMENT ON FUNCTION flotilla.bucket(uuid) IS 'The bucket of a uuid key.';
COMMENT ON FUNCTION flotilla.bucket(text) IS 'The bucket of a text key.';

-- The same expression as text over a column, by built-in functions only: for constraints, triggers
-- and row filters, which may not call flotilla.bucket() or must outlive it in a dump.
CREATE OR REPLACE FUNCTION flotilla.bucket_expression(key_column text, key_type text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN format(
    '(((%s & %s) + (5305509591434766563 & %2$s)) & %2$s)::integer',
    format(
        CASE key_type
            WHEN 'uuid' THEN 'uuid_hash_extended(%s, 8816678312871386365)'
            WHEN 'text' THEN 'hashtextextended(%s::text COLLATE "C", 8816678312871386365)'
            ELSE 'hashint8extended(%s::bigint, 8816678312871386365)'
        END,
        key_column),
    :buckets - 1);
COMMENT ON FUNCTION flotilla.bucket_expression(text, text)
    IS 'The bucket of a column as an expression of built-in functions: for row filters and indexes.';

RESET ROLE;
