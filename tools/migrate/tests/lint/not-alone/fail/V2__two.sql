CREATE INDEX CONCURRENTLY users_name ON users (name);
ALTER TABLE users ADD COLUMN email text;
