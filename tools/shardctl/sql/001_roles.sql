-- Roles: who may log in, and what each is for. Rights are in 013_privileges.sql, passwords come
-- from the verifiers that `shardctl init` is given.
--
-- The placeholders in these files (:name, :'name', :"name") are those of psql, and mean the same.

CREATE OR REPLACE FUNCTION pg_temp.ensure_role(role name, attributes text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
        EXECUTE pg_catalog.format('CREATE ROLE %I %s', role, attributes);
    END IF;
END
$$;

-- Owns the schema flotilla. Apart from owner, so that a migration can't rewrite the ownership.
SELECT pg_temp.ensure_role('flotilla', 'NOLOGIN');
-- Owns the application's schemas and tables.
SELECT pg_temp.ensure_role('owner', 'NOLOGIN');
-- Log in.
SELECT pg_temp.ensure_role(:'app', 'LOGIN');
SELECT pg_temp.ensure_role(:'app_ro', 'LOGIN');
SELECT pg_temp.ensure_role('analytics', 'LOGIN');
SELECT pg_temp.ensure_role(:'migrator', 'LOGIN NOINHERIT');
SELECT pg_temp.ensure_role(:'monitor', 'LOGIN');
SELECT pg_temp.ensure_role(:'backup', 'LOGIN');

DROP FUNCTION pg_temp.ensure_role(name, text);

-- protect() alters the owner's tables.
GRANT owner TO flotilla;
GRANT owner TO :"migrator";
GRANT pg_monitor TO :"monitor";
GRANT pg_read_all_data TO :"backup";

-- An administrator without superuser acts for both by membership.
DO $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
        EXECUTE pg_catalog.format('GRANT flotilla, owner TO %I', current_user);
    END IF;
END
$$;

-- What a migration makes belongs to owner, without each migration having to say so.
ALTER ROLE :"migrator" IN DATABASE :"dbname" SET role = owner;
ALTER ROLE :"migrator" SET lock_timeout = '2s';

-- An application that forgets to commit holds locks and holds back vacuum.
ALTER ROLE :"app" SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE :"app_ro" SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE :"app_ro" SET default_transaction_read_only = on;

ALTER ROLE analytics SET default_transaction_read_only = on;
ALTER ROLE analytics SET statement_timeout = '15min';
ALTER ROLE analytics SET idle_in_transaction_session_timeout = '5min';

ALTER ROLE :"monitor" SET default_transaction_read_only = on;
ALTER ROLE :"monitor" SET statement_timeout = '10s';
ALTER ROLE :"monitor" SET lock_timeout = '1s';

-- A dump of a large shard takes what it takes; waiting for a lock is what stalls the others.
ALTER ROLE :"backup" SET statement_timeout = 0;
ALTER ROLE :"backup" SET lock_timeout = '60s';
