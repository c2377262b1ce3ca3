-- A fenced table as `flotilla.protect` leaves it, with constants for the buckets `first` to `last` and epoch 1, so that
-- the routers can be tested against one bare server: psql -v first=0 -v last=511 -f fixture.sql
\set ON_ERROR_STOP on
create schema flotilla;

create function flotilla.reject(key bigint) returns boolean language plpgsql as $$
begin
    raise 'this shard does not own the bucket of the key' using errcode = 'FL001',
        hint = 'Read the shard map again and send the row to its owner.';
end $$;

create function flotilla.guard() returns trigger language plpgsql as $$
begin
    if coalesce(nullif(current_setting('flotilla.epoch', true), ''), '1') <> '1' then
        raise 'shard map is stale' using errcode = 'FL001', hint = 'Read the shard map again.';
    end if;
    return null;
end $$;

create table router_probe (
    user_id bigint primary key,
    note text,
    constraint fence check (case
        when ((hashint8extended(user_id, 8816678312871386365) & 1023) + (5305509591434766563 & 1023)) & 1023
            between :first and :last then true
        else flotilla.reject(user_id) end)
);
create trigger guard before insert or update or delete on router_probe execute function flotilla.guard();
