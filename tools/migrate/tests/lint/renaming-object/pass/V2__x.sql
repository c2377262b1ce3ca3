-- Nobody knows yet what the same script makes.
CREATE TABLE things (user_id bigint, id bigint, PRIMARY KEY (user_id, id));
ALTER TABLE things RENAME CONSTRAINT things_pkey TO things_key;
SELECT flotilla.protect('things', 'user_id');
