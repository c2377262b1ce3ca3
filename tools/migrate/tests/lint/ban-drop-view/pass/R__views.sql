CREATE OR REPLACE VIEW shown AS SELECT user_id, name FROM users;
