CREATE TABLE users (user_id bigint PRIMARY KEY);
