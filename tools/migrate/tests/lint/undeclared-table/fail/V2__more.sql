CREATE TABLE posts (user_id bigint PRIMARY KEY);
