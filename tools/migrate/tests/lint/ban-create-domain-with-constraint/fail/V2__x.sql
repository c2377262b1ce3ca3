CREATE DOMAIN d AS text CHECK (value <> '');
