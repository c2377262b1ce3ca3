ALTER TABLE users ADD COLUMN shown text;
UPDATE users SET shown = 'x' WHERE user_id = 1;
