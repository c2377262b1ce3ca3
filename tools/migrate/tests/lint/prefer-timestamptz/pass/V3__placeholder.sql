ALTER TABLE users ADD COLUMN ${table_name}_at timestamptz;
