CREATE INDEX CONCURRENTLY users_name2 ON users (name);
