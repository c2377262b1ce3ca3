CREATE INDEX events_user ON ONLY events (user_id);
