CREATE TABLE rooms (room_id bigint PRIMARY KEY, during tstzrange);
ALTER TABLE rooms ADD CONSTRAINT rooms_once EXCLUDE USING gist (room_id WITH =, during WITH &&);
SELECT flotilla.declare_table('rooms', 'reference');
