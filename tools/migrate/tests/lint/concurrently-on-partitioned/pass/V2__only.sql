-- squawk-ignore require-concurrent-index-creation
CREATE INDEX events_at ON ONLY events (at);
