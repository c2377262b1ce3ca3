CREATE TABLE a (a bigint);
