CREATE TABLE a (a text);
