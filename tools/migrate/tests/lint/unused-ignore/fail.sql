-- flotilla-ignore json-column there was one
CREATE TABLE users (user_id bigint PRIMARY KEY);
-- squawk-ignore ban-char-field
SELECT flotilla.protect('users', 'user_id');
-- flotilla-ignore no-such-rule whatever
SELECT flotilla.seal_partitions('users');
-- flotilla-ignore json-column nothing follows
