-- Physical backups: the replication protocol, and the functions that bracket a backup.
ALTER ROLE :"backup" REPLICATION;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean), pg_catalog.pg_backup_stop(boolean),
    pg_catalog.pg_switch_wal(), pg_catalog.pg_create_restore_point(text)
    TO :"backup";
