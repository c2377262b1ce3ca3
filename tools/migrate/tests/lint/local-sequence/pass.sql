CREATE TABLE posts (user_id bigint, post_id bigint, PRIMARY KEY (user_id, post_id));
SELECT flotilla.protect('posts', 'user_id');
CREATE TABLE jobs (job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
SELECT flotilla.declare_table('jobs', 'local');
