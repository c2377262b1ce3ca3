ALTER TABLE users ADD COLUMN t uuid DEFAULT gen_random_uuid();
