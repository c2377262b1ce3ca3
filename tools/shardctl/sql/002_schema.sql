-- The schema, what has been applied to it, and which shard of which cluster this is.

CREATE SCHEMA IF NOT EXISTS flotilla AUTHORIZATION flotilla;
SET LOCAL ROLE flotilla;

COMMENT ON SCHEMA flotilla IS 'Placement, ownership, fences, row ids and the ledger of this shard.';

CREATE TABLE IF NOT EXISTS flotilla.version (
    file       text        PRIMARY KEY,
    checksum   text        NOT NULL,
    release    integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    applied_by name        NOT NULL DEFAULT session_user
);
COMMENT ON TABLE flotilla.version IS 'The files that made this schema; a file is applied again when its checksum differs.';

CREATE TABLE IF NOT EXISTS flotilla.cluster (
    only_row   boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    name       text        NOT NULL,
    shard      text        NOT NULL,
    buckets    integer     NOT NULL CHECK (buckets > 0 AND buckets & (buckets - 1) = 0),
    key_type   text        NOT NULL CHECK (key_type IN ('bigint', 'int', 'uuid', 'text')),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flotilla.cluster IS 'Which shard of which cluster this is: one row, fixed for the cluster''s life.';

INSERT INTO flotilla.cluster (name, shard, buckets, key_type)
VALUES (:'cluster', :'shard', :buckets, :'key_type')
ON CONFLICT DO NOTHING;

RESET ROLE;
