CREATE UNIQUE INDEX CONCURRENTLY posts_slug ON posts (user_id, post_id);
