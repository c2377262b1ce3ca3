SELECT flotilla.protect('posts', 'user_id');
