-- MERGE is of PostgreSQL 15
CREATE TABLE users (user_id bigint PRIMARY KEY, n bigint);
SELECT flotilla.protect('users', 'user_id');
MERGE INTO users USING (SELECT 1 AS user_id) AS s ON users.user_id = s.user_id WHEN MATCHED THEN UPDATE SET n = 1;
COPY users FROM STDIN;
1	'; not SQL
\.
SELECT 1;
