-- The tool begins and commits.
UPDATE users SET name = 'one' WHERE user_id = 1;
UPDATE users SET name = 'two' WHERE user_id = 2;
