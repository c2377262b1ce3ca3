CREATE TABLE events (user_id bigint, at timestamptz, PRIMARY KEY (user_id, at)) PARTITION BY RANGE (at);
SELECT flotilla.protect('events', 'user_id');
