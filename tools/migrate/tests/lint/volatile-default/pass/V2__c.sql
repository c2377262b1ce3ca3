ALTER TABLE users ADD COLUMN seen timestamptz DEFAULT now(), ADD COLUMN kind text DEFAULT 'plain';
