CREATE VIEW v AS SELECT user_id FROM users;
