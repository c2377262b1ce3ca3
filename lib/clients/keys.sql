-- 100,000 random keys of each type in real hash partitions, 1024 of each table: psql -v dir=DIR -f keys.sql
-- writes DIR/keys (type, key) for the routers and DIR/buckets, where PostgreSQL put each of them.
\set ON_ERROR_STOP on
select setseed(0.15);

create table placed_bigint (key bigint) partition by hash (key);
create table placed_int (key int) partition by hash (key);
create table placed_uuid (key uuid) partition by hash (key);
create table placed_text (key text) partition by hash (key);
select format('create table %1$s_%2$s partition of %1$s for values with (modulus 1024, remainder %2$s)', parent, bucket)
from unnest(array['placed_bigint', 'placed_int', 'placed_uuid', 'placed_text']) parent, generate_series(0, 1023) bucket
\gexec

-- Of every magnitude, both signs.
create function random_bits() returns bigint language sql as $$
    select ((random() * 4294967296)::bigint << 32 | (random() * 4294967296)::bigint) >> (random() * 63)::int
$$;
insert into placed_bigint select random_bits() from generate_series(1, 100000);
insert into placed_int select (random_bits() >> 32)::int from generate_series(1, 100000);
insert into placed_uuid select md5(random()::text)::uuid from generate_series(1, 100000);
-- 0 to 40 characters of 1 to 4 bytes each, control characters, tabs and line ends among them.
insert into placed_text
select (select coalesce(string_agg(chr(case (random() * 4)::int
            when 0 then 1 + (random() * 126)::int
            when 1 then 97 + (random() * 25)::int
            when 2 then 160 + (random() * 1800)::int
            when 3 then 8192 + (random() * 45000)::int
            else 65536 + (random() * 1048000)::int end), ''), '')
        from generate_series(1, (random() * 40)::int + n * 0))
from generate_series(1, 100000) n;

create view placed as
select 'bigint' as type, key::text, tableoid as leaf from placed_bigint
union all select 'int', key::text, tableoid from placed_int
union all select 'uuid', key::text, tableoid from placed_uuid
union all select 'text', key, tableoid from placed_text;

\set keys :dir /keys
\set buckets :dir /buckets
create table answer as
select row_number() over () as line, type, key, substring(relname from '[0-9]+$') as bucket
from placed join pg_class on pg_class.oid = leaf;
\o :keys
copy (select type, key from answer order by line) to stdout;
\o :buckets
copy (select bucket from answer order by line) to stdout;
