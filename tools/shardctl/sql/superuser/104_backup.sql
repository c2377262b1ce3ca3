-- Physical backups: the replication protocol, and the functions that bracket a backup.
ALTER ROLE :"backup" REPLICATION;
-- Where the data folder is, for programs that read it.
GRANT pg_read_all_settings TO :"backup";
-- Logical backups: every row whatever policies say, and large objects, which pg_read_all_data leaves out.
ALTER ROLE :"backup" BYPASSRLS;
GRANT SET ON PARAMETER lo_compat_privileges TO :"backup";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean), pg_catalog.pg_backup_stop(boolean),
    pg_catalog.pg_switch_wal(), pg_catalog.pg_create_restore_point(text)
    TO :"backup";

-- A standby begins a backup at the last checkpoint that it has replayed: the primary has to make one.
GRANT pg_checkpoint TO :"backup";

-- An autovacuum in the barrier's way is cancelled by whoever waits for it this long: by default one
-- second, in which every writer would wait behind the barrier.
GRANT SET ON PARAMETER deadlock_timeout TO flotilla;
ALTER FUNCTION flotilla.barrier() SET deadlock_timeout = '50ms';
