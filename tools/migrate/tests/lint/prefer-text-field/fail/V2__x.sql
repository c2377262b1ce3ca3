ALTER TABLE users ADD COLUMN n varchar(20);
