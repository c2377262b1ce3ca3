CREATE TABLE users (user_id bigint PRIMARY KEY, email text, UNIQUE (email, user_id));
CREATE TABLE posts (post_id bigint, user_id bigint, PRIMARY KEY (user_id, post_id));
SELECT flotilla.protect('users', 'user_id');
SELECT flotilla.protect('posts', 'user_id');
CREATE TABLE plans (plan_id bigint PRIMARY KEY);
SELECT flotilla.declare_table('plans', 'reference');
