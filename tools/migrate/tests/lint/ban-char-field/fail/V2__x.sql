ALTER TABLE users ADD COLUMN c char(3);
