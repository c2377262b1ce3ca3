CREATE INDEX CONCURRENTLY events_1_at ON events_1 (at);
