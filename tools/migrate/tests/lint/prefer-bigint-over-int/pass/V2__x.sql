ALTER TABLE users ADD COLUMN n bigint;
