CREATE TABLE users (user_id bigint PRIMARY KEY, note text DEFAULT '${no_such_value}');
SELECT flotilla.protect('users', 'user_id');
COMMENT ON TABLE users IS '${unclosed';
