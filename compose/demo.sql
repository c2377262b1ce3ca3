-- The demo's tables. A sharded table has the user's key in its primary key and in every unique
-- constraint; protect() declares it and puts the fences up.

CREATE TABLE IF NOT EXISTS users (
    user_id    bigint      PRIMARY KEY,
    email      text        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS orders (
    user_id   bigint         NOT NULL,
    id        bigint         NOT NULL,
    total     numeric(12, 2) NOT NULL,
    placed_at timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);

-- By month: the partition key belongs into the primary key too.
CREATE TABLE IF NOT EXISTS events (
    user_id bigint      NOT NULL,
    id      bigint      NOT NULL,
    at      timestamptz NOT NULL,
    kind    text        NOT NULL,
    PRIMARY KEY (user_id, id, at)
) PARTITION BY RANGE (at);

CREATE TABLE IF NOT EXISTS events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00Z') TO ('2026-02-01 00:00Z');
CREATE TABLE IF NOT EXISTS events_2026_02 PARTITION OF events FOR VALUES FROM ('2026-02-01 00:00Z') TO ('2026-03-01 00:00Z');
CREATE TABLE IF NOT EXISTS events_2026_03 PARTITION OF events FOR VALUES FROM ('2026-03-01 00:00Z') TO ('2026-04-01 00:00Z');

SELECT flotilla.protect('users', 'user_id');
SELECT flotilla.protect('orders', 'user_id');
SELECT flotilla.protect('events', 'user_id');
