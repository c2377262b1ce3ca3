CREATE TABLE a (user_id bigint PRIMARY KEY, b text);
SELECT flotilla.protect('a', 'user_id');
ALTER TABLE a RENAME COLUMN b TO c;
