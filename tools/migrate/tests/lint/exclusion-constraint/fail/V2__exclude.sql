ALTER TABLE rooms ADD CONSTRAINT rooms_once EXCLUDE USING gist (room_id WITH =, during WITH &&);
