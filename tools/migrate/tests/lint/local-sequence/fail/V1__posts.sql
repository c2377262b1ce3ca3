CREATE TABLE posts (user_id bigint, post_id bigserial, n bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (user_id, post_id));
SELECT flotilla.protect('posts', 'user_id');
