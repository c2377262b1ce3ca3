-- flotilla-ignore ban-drop-column nobody reads it
ALTER TABLE users DROP COLUMN name;
