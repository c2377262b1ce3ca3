ALTER TABLE users ADD COLUMN at timestamp;
