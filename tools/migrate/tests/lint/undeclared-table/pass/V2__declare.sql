SELECT flotilla.protect('users'::regclass, 'user_id');
CREATE TABLE countries (code text PRIMARY KEY);
SELECT flotilla.declare_table('countries', 'reference');
