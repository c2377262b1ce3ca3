CREATE TABLE orders (
    user_id   bigint         NOT NULL,
    id        bigint         NOT NULL,
    total     numeric(12, 2) NOT NULL,
    placed_at timestamptz    NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, id)
);

SELECT flotilla.protect('orders', 'user_id');
