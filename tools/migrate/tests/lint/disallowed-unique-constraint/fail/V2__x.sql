ALTER TABLE users ADD CONSTRAINT u UNIQUE (user_id, name);
