ALTER TABLE users ADD COLUMN shown text;
UPDATE users SET shown = name;
DELETE FROM users WHERE name IS NULL;
