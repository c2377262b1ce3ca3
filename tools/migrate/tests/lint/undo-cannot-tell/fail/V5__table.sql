-- flotilla-ignore ban-drop-table nobody reads it
DROP TABLE users;
