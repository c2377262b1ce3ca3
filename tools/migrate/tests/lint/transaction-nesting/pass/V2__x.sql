-- A part of it may fail and be rolled back without the rest.
SAVEPOINT before;
UPDATE users SET name = 'one' WHERE user_id = 1;
RELEASE SAVEPOINT before;
