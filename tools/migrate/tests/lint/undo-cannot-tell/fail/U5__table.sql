CREATE TABLE users (user_id bigint PRIMARY KEY);
SELECT flotilla.protect('users', 'user_id');
