CREATE TABLE ${table_name} (user_id bigint PRIMARY KEY, file text DEFAULT '${flyway:filename}');
SELECT flotilla.protect('${table_name}', 'user_id');
