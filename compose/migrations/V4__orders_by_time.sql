-- Alone in its file: what is built concurrently can't be in a transaction.
CREATE INDEX CONCURRENTLY orders_placed_at_idx ON orders (placed_at);
