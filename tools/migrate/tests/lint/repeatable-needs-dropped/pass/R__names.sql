CREATE OR REPLACE VIEW names AS SELECT user_id, name FROM users;
