UPDATE users SET name = 'a' WHERE user_id = 1;
