ALTER TABLE users ADD COLUMN n smallint;
