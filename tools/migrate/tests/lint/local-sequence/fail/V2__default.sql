CREATE SEQUENCE numbers;
ALTER TABLE posts ADD COLUMN number bigint;
ALTER TABLE posts ALTER COLUMN number SET DEFAULT nextval('numbers');
