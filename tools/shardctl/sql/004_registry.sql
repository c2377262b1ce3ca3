-- The registry: what each table is. A table that isn't in it is a finding.

SET LOCAL ROLE flotilla;

CREATE TABLE IF NOT EXISTS flotilla.tables (
    relation   regclass    PRIMARY KEY,
    kind       text        NOT NULL CHECK (kind IN ('sharded', 'reference', 'local')),
    key_column name        CHECK ((kind = 'sharded') = (key_column IS NOT NULL)),
    added_at   timestamptz NOT NULL DEFAULT now(),
    added_by   name        NOT NULL DEFAULT session_user
);
COMMENT ON TABLE flotilla.tables IS 'What each table is: sharded by a key, a reference table equal on all shards, or local.';

-- Whether the session's login may act for the table's owner. The functions here run as flotilla,
-- which may alter all of the owner's tables, so they ask who called.
CREATE OR REPLACE FUNCTION flotilla.check_caller(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class WHERE oid = target) THEN
        RAISE EXCEPTION 'must be owner of table %', target USING ERRCODE = 'insufficient_privilege';
    END IF;
END
$$;

-- A dropped table leaves its declaration behind; its oid may come again.
CREATE OR REPLACE FUNCTION flotilla.forget_dropped() RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM flotilla.tables AS t WHERE NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = t.relation) $$;

CREATE OR REPLACE FUNCTION flotilla.declare_table(target regclass, kind text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM flotilla.check_caller(target);
    PERFORM flotilla.forget_dropped();
    IF declare_table.kind = 'sharded' THEN
        RAISE EXCEPTION 'a sharded table is declared by its fence'
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Call flotilla.protect(table, key column).';
    END IF;
    IF EXISTS (SELECT FROM flotilla.tables t WHERE t.relation = target AND t.kind = 'sharded') THEN
        RAISE EXCEPTION 'table % is sharded', target
            USING ERRCODE = 'object_not_in_prerequisite_state',
                  HINT = 'Call flotilla.unprotect(table) first; its rows stay where they are.';
    END IF;
    INSERT INTO flotilla.tables (relation, kind) VALUES (target, declare_table.kind)
    ON CONFLICT (relation) DO UPDATE SET kind = excluded.kind WHERE tables.kind <> excluded.kind;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION flotilla.declare_table(regclass, text) IS 'Declares a reference or a local table; true if that changed anything.';

RESET ROLE;
