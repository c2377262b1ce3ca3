-- Writes vectors.json, PostgreSQL itself being the oracle:
--   lib/clients/with-postgres psql -XqAtf lib/clients/vectors.sql > lib/clients/vectors.json
-- Every placement below is first proved against real hash partitions (satisfies_hash_partition), and every key under
-- "refused" is first shown to be refused by the type's own input function; otherwise the script stops.
\set ON_ERROR_STOP on
set client_encoding = 'UTF8';
set timezone = 'UTC';
begin;

create temp table keys (n int generated always as identity, type text not null, key text not null);

insert into keys (type, key)
select 'bigint', k from unnest(array[
    '0', '1', '2', '42', '-1', '-2', '-42', '2147483647', '2147483648', '-2147483648', '-2147483649',
    '4294967295', '4294967296', '4294967297', '-4294967296', '-4294967297',
    '9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740991', '-9007199254740993',
    '1000000000000000000', '-1000000000000000000',
    '9223372036854775806', '9223372036854775807', '-9223372036854775807', '-9223372036854775808']) k;

insert into keys (type, key)
select 'int', k from unnest(array[
    '0', '1', '2', '42', '-1', '-2', '-42', '65535', '65536', '2147483646', '2147483647', '-2147483647',
    '-2147483648']) k;

insert into keys (type, key)
select 'uuid', k from unnest(array[
    '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'f47ac10b-58cc-4372-a567-0e02b2c3d479', 'F47AC10B-58CC-4372-A567-0E02B2C3D479',
    '018f6d5e-7c2a-7b1c-9a3e-5d4c3b2a1908', '00000000-0000-0000-0000-000000000001',
    '01000000-0000-0000-0000-000000000000', '00112233-4455-6677-8899-aabbccddeeff']) k;

insert into keys (type, key)
select 'text', k from unnest(array[
    '', ' ', 'a', 'A', 'b', 'a ', ' a', 'alice', 'Alice', '123', '-1', 'null', 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    E'tab\there', E'line\nfeed', E'carriage\r\nreturn', E'back\\slash', '"quoted"', '''single''', E'\u007f', E'\u0001',
    'ünïcode', E'u\u0308ni\u0308code',                          -- composed, and the same word decomposed
    'é', E'e\u0301', 'ß', 'ǅ', 'İstanbul', 'Ελλάδα', 'данные', '数据库', 'قاعدة', 'नमस्ते',
    '🙂', '👩‍👩‍👧‍👦', '🇩🇪', '👍🏽', E'\uFEFFbom', E'\u2028', E'\u0085', E'\uFFFD', E'\uFFFF', E'\U00010000', E'\U0010FFFF',
    'anna@example.org', 'user:4711']) k;
-- Each length around the 12-byte block of the hash, in one-byte characters and with a character across the boundary.
insert into keys (type, key) select 'text', left('abcdefghijklmnopqrstuvwxyz', n) from generate_series(2, 26) n;
insert into keys (type, key)
select 'text', repeat('x', n) || k from unnest(array[9, 10, 11, 12, 22, 23]) n, unnest(array['é', '€', '🙂']) k;
insert into keys (type, key)
select 'text', k from unnest(array[
    repeat('k', 1023), repeat('k', 1024), repeat('k', 1025), repeat('é', 512), repeat('🙂', 256)]) k;

create function pg_temp.hash(type text, key text) returns bigint immutable language sql as $$
    select case type
        when 'bigint' then hashint8extended(key::bigint, 8816678312871386365)
        when 'int' then hashint4extended(key::int, 8816678312871386365)
        when 'uuid' then uuid_hash_extended(key::uuid, 8816678312871386365)
        when 'text' then hashtextextended(key, 8816678312871386365) end
$$;
-- What PostgreSQL divides by the modulus: hash and combining constant, added as unsigned 64-bit integers.
create function pg_temp.row_hash(hash bigint) returns numeric immutable language sql as $$
    select (hash::numeric + 18446744073709551616 + 5305509591434766563) % 18446744073709551616
$$;

create temp table placed as
select n, type, key, row_hash, modulus, (row_hash % modulus)::int as bucket
from keys, pg_temp.row_hash(pg_temp.hash(type, key)) row_hash, unnest(array[1, 2, 16, 256, 1024, 4096, 65536]) modulus;

create temp table of_bigint (key bigint) partition by hash (key);
create temp table of_int (key int) partition by hash (key);
create temp table of_uuid (key uuid) partition by hash (key);
create temp table of_text (key text) partition by hash (key);

-- Row ids: 41 bits of milliseconds since 2024-01-01, then the bucket, then the sequence: 22 bits together.
create temp table ids (n int generated always as identity, buckets int, ms bigint, bucket int, sequence int);
create function pg_temp.row_id(buckets int, ms bigint, bucket int, sequence int) returns bigint immutable language sql
as $$ select (ms << 22) | (bucket::bigint << (22 - log(2, buckets)::int)) | sequence $$;
insert into ids (buckets, ms, bucket, sequence) values
    (1024, 0, 0, 0), (1024, 0, 0, 1), (1024, 0, 1, 0), (1024, 1, 0, 0), (1024, 0, 1023, 4095),
    (1024, 54000000000, 17, 5), (1024, 54000000001, 1023, 0), (1024, 2199023255551, 1023, 4095),
    (1024, 2147483648, 512, 2048),
    (1, 54000000000, 0, 4194303), (2, 54000000000, 1, 2097151), (16, 54000000000, 9, 262143),
    (256, 54000000000, 200, 16383), (4096, 54000000000, 4095, 1023), (65536, 54000000000, 40000, 63),
    (65536, 2199023255551, 65535, 63);
-- Ids of users: the hash of the whole id falls on the bucket that the id embeds.
insert into ids (buckets, ms, bucket, sequence)
select buckets, ms, bucket, sequence
from unnest(array[16, 256, 1024, 4096]) buckets, unnest(array[0, 54000000000, 2199023255551]) ms,
    lateral (select bucket, sequence from generate_series(0, 15) sequence, generate_series(0, buckets - 1) bucket
             where pg_temp.row_hash(pg_temp.hash('bigint', pg_temp.row_id(buckets, ms, bucket, sequence)::text))
                 % buckets = bucket order by sequence, bucket limit 1) own
order by ms, buckets;

create temp table refused (n int generated always as identity, type text, key text);
insert into refused (type, key) values
    ('bigint', ''), ('bigint', '-'), ('bigint', 'abc'), ('bigint', '1.5'), ('bigint', '1e3'), ('bigint', '0x10'),
    ('bigint', '1_000'), ('bigint', '1 2'), ('bigint', '１２'), ('bigint', 'NaN'), ('bigint', 'null'),
    ('bigint', '9223372036854775808'), ('bigint', '-9223372036854775809'), ('bigint', '123456789012345678901234567890'),
    ('int', ''), ('int', '2147483648'), ('int', '-2147483649'), ('int', '1.0'), ('int', 'true'),
    ('uuid', ''), ('uuid', '42'), ('uuid', 'f47ac10b-58cc-4372-a567-0e02b2c3d47'),
    ('uuid', 'f47ac10b-58cc-4372-a567-0e02b2c3d4799'), ('uuid', 'g47ac10b-58cc-4372-a567-0e02b2c3d479'),
    ('uuid', 'urn:uuid:f47ac10b-58cc-4372-a567-0e02b2c3d479');

do $$
declare v record;
begin
    for v in select * from placed loop
        if (v.type = 'bigint' and not satisfies_hash_partition('of_bigint'::regclass, v.modulus, v.bucket, v.key::bigint))
            or (v.type = 'int' and not satisfies_hash_partition('of_int'::regclass, v.modulus, v.bucket, v.key::int))
            or (v.type = 'uuid' and not satisfies_hash_partition('of_uuid'::regclass, v.modulus, v.bucket, v.key::uuid))
            or (v.type = 'text' and not satisfies_hash_partition('of_text'::regclass, v.modulus, v.bucket, v.key))
        then
            raise 'PostgreSQL does not place % key "%" in bucket % of %', v.type, v.key, v.bucket, v.modulus;
        end if;
    end loop;
    for v in select * from refused loop
        begin
            execute format('select %L::%s', v.key, v.type);
        exception when data_exception then continue;
        end;
        raise 'PostgreSQL accepts "%" as %', v.key, v.type;
    end loop;
end $$;

-- JSON in ASCII alone, so that no editor or transport can normalise a key.
create function pg_temp.ascii(json text) returns text immutable language sql as $$
    select coalesce(string_agg(case
        when code < 127 then c
        when code < 65536 then '\u' || lpad(to_hex(code), 4, '0')
        else '\u' || to_hex(55296 + (code - 65536 >> 10)) || '\u' || to_hex(56320 + (code - 65536 & 1023)) end,
        '' order by at), '')
    from regexp_split_to_table(json, '') with ordinality s (c, at), ascii(c) code
$$;

with placement (n, line) as (
    select n, format('{"type": %s, "key": %s, "row_hash": "%s", "buckets": {%s}}',
        to_json(type), pg_temp.ascii(to_json(key)::text), row_hash,
        string_agg(format('"%s": %s', modulus, bucket), ', ' order by modulus))
    from placed group by n, type, key, row_hash
), row_id (n, line) as (
    select n, format('{"id": "%s", "buckets": %s, "ms": %s, "at": "%s", "bucket": %s, "sequence": %s, "user_id": %s}',
        id, buckets, ms, to_char(timestamp '2024-01-01' + ms * interval '1 ms', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        bucket, sequence, to_json(pg_temp.row_hash(pg_temp.hash('bigint', id::text)) % buckets = bucket))
    from ids, pg_temp.row_id(buckets, ms, bucket, sequence) id
), refusal (n, line) as (
    select n, format('{"type": %s, "key": %s}', to_json(type), pg_temp.ascii(to_json(key)::text)) from refused
)
select format(E'{\n"schema": "flotilla.vectors/1",\n"placements": [\n%s\n],\n"row_ids": [\n%s\n],\n"refused": [\n%s\n]\n}',
    (select string_agg(line, E',\n' order by n) from placement),
    (select string_agg(line, E',\n' order by n) from row_id),
    (select string_agg(line, E',\n' order by n) from refusal));
rollback;
