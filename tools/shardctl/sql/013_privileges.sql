-- Rights: nothing for PUBLIC, to each role what it needs.

REVOKE ALL ON DATABASE :"dbname" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"dbname"
    TO owner, :"app", :"app_ro", analytics, :"migrator", :"monitor", :"backup";
GRANT CREATE, TEMPORARY ON DATABASE :"dbname" TO owner;
GRANT TEMPORARY ON DATABASE :"dbname" TO analytics;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO owner;
GRANT USAGE ON SCHEMA public TO :"app", :"app_ro", analytics, :"monitor", :"backup";

-- What owner makes from now on. PUBLIC's rights are revoked for all schemas, since PostgreSQL doesn't
-- let one schema's defaults take away what the general ones give.
ALTER DEFAULT PRIVILEGES FOR ROLE owner, flotilla REVOKE ALL ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner, flotilla REVOKE ALL ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON SCHEMAS TO :"app", :"app_ro", analytics;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO :"app_ro", analytics;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE, SELECT ON SEQUENCES TO :"app";
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON SEQUENCES TO :"app_ro", analytics;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT EXECUTE ON FUNCTIONS TO :"app", :"app_ro", analytics;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT USAGE ON TYPES TO :"app", :"app_ro", analytics;

SET LOCAL ROLE flotilla;

REVOKE ALL ON ALL TABLES IN SCHEMA flotilla FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA flotilla FROM PUBLIC;
REVOKE ALL ON ALL ROUTINES IN SCHEMA flotilla FROM PUBLIC;

GRANT USAGE ON SCHEMA flotilla TO owner, :"app", :"app_ro", analytics, :"migrator", :"monitor", :"backup";

-- To read where things are and whether they are well.
GRANT SELECT ON flotilla.version, flotilla.cluster, flotilla.tables, flotilla.ownership, flotilla.epoch_seq
    TO owner, :"app", :"app_ro", analytics, :"migrator", :"monitor";
GRANT SELECT ON flotilla.fences TO owner, :"migrator", :"monitor";
GRANT SELECT ON flotilla.tick_seq TO :"monitor";
GRANT EXECUTE ON FUNCTION flotilla.buckets(), flotilla.bucket(bigint), flotilla.bucket(uuid), flotilla.bucket(text),
    flotilla.epoch(), flotilla.check_epoch(bigint), flotilla.sequence_bits(), flotilla.make_id(bigint, integer),
    flotilla.id_bucket(bigint), flotilla.id_time(bigint)
    TO owner, :"app", :"app_ro", analytics, :"migrator", :"monitor";
GRANT EXECUTE ON FUNCTION flotilla.fence_state(regclass), flotilla.wanted_row_guards(name, boolean),
    flotilla.ownership_bits(text[])
    TO owner, :"migrator", :"monitor";

-- To see what is applied, which lies in a table of owner's.
GRANT EXECUTE ON FUNCTION flotilla.history_table(), flotilla.schema_history() TO :"monitor";

-- To write through the fences: whoever inserts must be able to be refused.
GRANT EXECUTE ON FUNCTION flotilla.reject(bigint), flotilla.reject(uuid), flotilla.reject(text),
    flotilla.refuse_bucket(integer)
    TO owner, :"app", :"migrator";
GRANT EXECUTE ON FUNCTION flotilla.next_id(bigint), flotilla.next_id(uuid), flotilla.next_id(text),
    flotilla.next_id_in(integer), flotilla.next_user_id(), flotilla.reserve_ticks(integer)
    TO owner, :"app", :"migrator";

-- To migrate: declare and fence tables, never the ownership itself.
GRANT EXECUTE ON FUNCTION flotilla.declare_table(regclass, text), flotilla.protect(regclass, name),
    flotilla.unprotect(regclass), flotilla.swap_fence(regclass, interval), flotilla.validate_fence(regclass, interval),
    flotilla.prepare_attach(regclass, regclass), flotilla.seal_partitions(regclass),
    flotilla.check_protectable(regclass, name), flotilla.bucket_expression(text, text)
    TO owner, :"migrator";
GRANT EXECUTE ON PROCEDURE flotilla.swap_fences(interval, integer) TO owner, :"migrator";

-- To leave a line in the ledger, but not to say who left it, nor when.
GRANT SELECT ON flotilla.ledger TO owner, :"migrator", :"monitor";
GRANT INSERT (run_id, tool, verb, operator, reason, target, status, changed, duration_ms, detail)
    ON flotilla.ledger TO owner, :"migrator", :"backup";

-- To take a restore point over all shards.
GRANT EXECUTE ON FUNCTION flotilla.barrier() TO :"backup";
GRANT SELECT ON flotilla.cluster, flotilla.tables, flotilla.ownership, flotilla.ledger TO :"backup";

RESET ROLE;
