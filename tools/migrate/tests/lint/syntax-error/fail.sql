SELECT 1;
CREATE TABLE users (
    user_id bigint PRIMARY KEY
    name text
);
SELECT 'never closed;
