CREATE TABLE users (user_id bigint, email text UNIQUE);
CREATE TABLE posts (post_id bigint PRIMARY KEY, user_id bigint);
SELECT flotilla.protect('users', 'user_id');
SELECT flotilla.protect('posts', 'user_id');
