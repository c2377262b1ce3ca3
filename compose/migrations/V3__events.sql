-- By month: the partition key belongs into the primary key too.
CREATE TABLE events (
    user_id bigint      NOT NULL,
    id      bigint      NOT NULL,
    at      timestamptz NOT NULL,
    kind    text        NOT NULL,
    PRIMARY KEY (user_id, id, at)
) PARTITION BY RANGE (at);

CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00Z') TO ('2026-02-01 00:00Z');
CREATE TABLE events_2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00Z') TO ('2026-03-01 00:00Z');
CREATE TABLE events_2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00Z') TO ('2026-04-01 00:00Z');

SELECT flotilla.protect('events', 'user_id');
