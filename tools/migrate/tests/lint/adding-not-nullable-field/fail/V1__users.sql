CREATE TABLE users (user_id bigint PRIMARY KEY, name text);
SELECT flotilla.protect('users', 'user_id');
