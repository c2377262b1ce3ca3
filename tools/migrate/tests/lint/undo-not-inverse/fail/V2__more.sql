ALTER TABLE users ADD COLUMN email text, ADD CONSTRAINT named CHECK (name <> '') NOT VALID;
CREATE VIEW names AS SELECT name FROM users;
