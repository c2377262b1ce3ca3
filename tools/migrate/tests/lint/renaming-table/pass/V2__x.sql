CREATE VIEW people AS SELECT user_id, name FROM users;
