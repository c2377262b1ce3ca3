SELECT pg_notify('a', 'b');
