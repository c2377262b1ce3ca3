-- A column beside it, which clients write, and which takes the other's place later.
ALTER TABLE users ADD COLUMN plain_name text;
