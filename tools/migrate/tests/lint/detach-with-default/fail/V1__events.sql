CREATE TABLE events (user_id bigint, at timestamptz, PRIMARY KEY (user_id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01Z') TO ('2026-02-01Z');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
SELECT flotilla.protect('events', 'user_id');
