CREATE TABLE users (user_id bigint PRIMARY KEY, name text);
SELECT flotilla.protect('users', 'user_id');
CREATE FUNCTION shout(t text) RETURNS text LANGUAGE sql AS $$ SELECT upper(t) $$;
CREATE TABLE old (user_id bigint PRIMARY KEY);
SELECT flotilla.protect('old', 'user_id');
