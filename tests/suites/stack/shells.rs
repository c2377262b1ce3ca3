//! `. compose/env` in every shell that a user may have.

use super::Stack;

/// The ways to a database by name, and the fleet's list of targets.
pub(super) fn every_shell_finds_the_way(stack: &Stack<'_>) {
    for shell in ["sh", "bash", "dash", "zsh"] {
        let line = format!(
            "{shell} -euc '. compose/env
                 for node in $(shardctl targets --kind node -o json | jq -r .target); do
                     psql -XAtq service=$node -c \"SELECT current_user || chr(32) || current_database()\"
                 done
                 for shard in $(shardctl targets --kind shard -o json | jq -r .target); do
                     psql -XAtq service=$shard -c \"SELECT pg_is_in_recovery()\"
                     psql -XAtq service=$shard-rw -c \"SELECT current_user\"
                     psql -XAtq service=$shard-ro -c \"SELECT current_user\"
                 done'"
        );
        let said = stack.shell(&line).run().ok();
        let mut expected = vec!["postgres app"; 6];
        expected.extend(["f", "app", "app_ro"].repeat(2));
        assert_eq!(said.stdout.lines().collect::<Vec<_>>(), expected, "{}", said.transcript());
        // Twice in one shell, and without a stack.
        stack.shell(&format!("{shell} -euc '. compose/env; . compose/env; shardctl targets | head -1'")).run().ok();
        let absent = format!("{shell} -uc '. compose/env; echo lives on'");
        let absent = stack.shell(&absent).env("FLOTILLA_STATE", "/nonexistent").run();
        let absent = absent.says("there is no stack").says("hint: Start it with compose/up.");
        assert_eq!(absent.stdout, "lives on\n", "{}", absent.transcript());
    }
}
