CREATE TABLE ${table_name} (user_id bigint PRIMARY KEY, doc json);
SELECT flotilla.protect('${table_name}', 'user_id');
