ALTER TABLE users ADD COLUMN at timestamptz;
