-- Checks of indexes and heaps.
CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA public;
