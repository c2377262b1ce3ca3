CREATE TABLE users (user_id bigint, at date, PRIMARY KEY (user_id, at)) PARTITION BY RANGE (at);
CREATE TABLE users_1 PARTITION OF users DEFAULT;
CREATE TEMP TABLE t (a text);
CREATE TABLE gone (a text);
DROP TABLE gone;
