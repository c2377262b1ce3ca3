-- The ledger: who did what to this shard, when, why, and how it ended. Lines are only added.

SET LOCAL ROLE flotilla;

CREATE TABLE IF NOT EXISTS flotilla.ledger (
    line        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      uuid        NOT NULL,
    tool        text        NOT NULL,
    verb        text        NOT NULL,
    operator    text        NOT NULL,
    reason      text,
    target      text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('ok', 'error', 'skipped', 'planned', 'cancelled')),
    changed     boolean     NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    duration_ms bigint      CHECK (duration_ms >= 0),
    detail      jsonb,
    -- What the server knows of the caller; nobody may set these.
    login       name        NOT NULL DEFAULT session_user,
    address     inet        DEFAULT inet_client_addr()
);
CREATE INDEX IF NOT EXISTS ledger_at ON flotilla.ledger (at);
CREATE INDEX IF NOT EXISTS ledger_run ON flotilla.ledger (run_id);
COMMENT ON TABLE flotilla.ledger IS 'One line for every changing run of a tool on this shard; lines are only added.';

CREATE OR REPLACE FUNCTION flotilla.keep_ledger() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is only added to'
        USING ERRCODE = 'insufficient_privilege', HINT = 'Add a line that says what was wrong with the other.';
END
$$;
CREATE OR REPLACE TRIGGER keep_ledger BEFORE UPDATE OR DELETE OR TRUNCATE ON flotilla.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION flotilla.keep_ledger();

RESET ROLE;
