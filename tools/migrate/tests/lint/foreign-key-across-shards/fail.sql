CREATE TABLE users (user_id bigint PRIMARY KEY, name text);
SELECT flotilla.protect('users', 'user_id');
CREATE TABLE posts (user_id bigint, post_id bigint, PRIMARY KEY (user_id, post_id));
SELECT flotilla.protect('posts', 'user_id');
CREATE TABLE likes (
    user_id bigint,
    post_id bigint,
    liker_id bigint REFERENCES users,
    PRIMARY KEY (user_id, post_id, liker_id)
);
SELECT flotilla.protect('likes', 'user_id');
CREATE TABLE plans (plan_id bigint PRIMARY KEY, first_user bigint REFERENCES users (user_id));
SELECT flotilla.declare_table('plans', 'reference');
