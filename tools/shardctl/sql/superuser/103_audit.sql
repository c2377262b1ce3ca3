-- The server's own audit trail: changes of structure and rights by anyone, reads by people.
-- Parameters stay out of the log: they are personal data.
CREATE EXTENSION IF NOT EXISTS pgaudit SCHEMA public;
ALTER DATABASE :"dbname" SET pgaudit.log = 'ddl, role';
ALTER DATABASE :"dbname" SET pgaudit.log_catalog = off;
ALTER DATABASE :"dbname" SET pgaudit.log_parameter = off;
ALTER DATABASE :"dbname" SET pgaudit.log_relation = on;
ALTER ROLE analytics IN DATABASE :"dbname" SET pgaudit.log = 'ddl, role, read, write, function';
ALTER ROLE :"migrator" IN DATABASE :"dbname" SET pgaudit.log = 'ddl, role, function';
