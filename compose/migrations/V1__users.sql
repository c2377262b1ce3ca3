-- A sharded table has the user's key in its primary key and in every unique constraint;
-- protect() declares it and puts the fences up.
CREATE TABLE users (
    user_id    bigint      PRIMARY KEY,
    email      text        NOT NULL,
    name       text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

SELECT flotilla.protect('users', 'user_id');
