CREATE TABLE users (user_id bigint PRIMARY KEY, name text);
SELECT flotilla.protect('users', 'user_id');
CREATE TABLE plans (plan_id bigint PRIMARY KEY);
SELECT flotilla.declare_table('plans', 'reference');
CREATE TABLE posts (user_id bigint REFERENCES users, post_id bigint, plan_id bigint REFERENCES plans, PRIMARY KEY (user_id, post_id));
SELECT flotilla.protect('posts', 'user_id');
CREATE TABLE likes (
    user_id bigint,
    post_id bigint,
    PRIMARY KEY (user_id, post_id),
    FOREIGN KEY (user_id, post_id) REFERENCES posts (user_id, post_id)
);
SELECT flotilla.protect('likes', 'user_id');
