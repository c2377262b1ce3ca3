CREATE UNIQUE INDEX CONCURRENTLY posts_slug ON posts (lower(post_id::text));
