-- flotilla-ignore json-column the importer wants its bytes as they came
CREATE TABLE raw (user_id bigint PRIMARY KEY, body json,
    -- squawk-ignore ban-char-field
    code char(2));
SELECT flotilla.protect('raw', 'user_id');
