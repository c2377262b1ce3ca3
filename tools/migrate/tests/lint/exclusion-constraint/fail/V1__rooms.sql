CREATE TABLE rooms (room_id bigint PRIMARY KEY, during tstzrange);
SELECT flotilla.declare_table('rooms', 'reference');
