DROP VIEW IF EXISTS shown;
CREATE VIEW shown AS SELECT user_id, name FROM users;
