CREATE UNIQUE INDEX CONCURRENTLY users_u ON users (user_id, name);
