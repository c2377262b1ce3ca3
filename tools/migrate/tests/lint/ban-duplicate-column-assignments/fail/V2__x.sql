UPDATE users SET name = 'a', name = 'b' WHERE user_id = 1;
