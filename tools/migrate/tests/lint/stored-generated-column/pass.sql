CREATE TABLE users (user_id bigint PRIMARY KEY, name text, upper_name text GENERATED ALWAYS AS (upper(name)) STORED);
SELECT flotilla.protect('users', 'user_id');
