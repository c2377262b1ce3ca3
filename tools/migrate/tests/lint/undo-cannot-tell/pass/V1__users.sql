CREATE TABLE users (user_id bigint PRIMARY KEY, name text);
SELECT flotilla.protect('users', 'user_id');
INSERT INTO users VALUES (1, 'secret');
GRANT SELECT ON users TO app;
