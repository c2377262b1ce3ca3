CREATE TABLE a (a bigserial);
