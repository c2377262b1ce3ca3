//! BEGIN and COMMIT in a script that runs in a transaction.

use pg_query::NodeEnum;
use pg_query::protobuf::TransactionStmtKind as Kind;

use crate::lint::finding::Severity;
use crate::lint::rule::{At, Check, Found, Rule};

pub(super) const RULE: Rule = Rule {
    name: "transaction-control",
    severity: Severity::Error,
    why: "The script and its line in the history are one transaction; a COMMIT in the script tears them apart.",
    mend: "Take it out: migrate begins and commits. What can't run in a transaction belongs into a script of its own.",
    check: Check::Statement(check),
};

fn check(at: &At<'_>, found: &mut Found) {
    let Some(NodeEnum::TransactionStmt(transaction)) = &at.statement.node else { return };
    let what = match transaction.kind() {
        Kind::TransStmtBegin => "BEGIN",
        Kind::TransStmtStart => "START TRANSACTION",
        Kind::TransStmtCommit => "COMMIT",
        Kind::TransStmtRollback => "ROLLBACK",
        Kind::TransStmtPrepare => "PREPARE TRANSACTION",
        Kind::TransStmtCommitPrepared => "COMMIT PREPARED",
        Kind::TransStmtRollbackPrepared => "ROLLBACK PREPARED",
        _ => return,
    };
    if at.script.in_transaction {
        found.here(at, format!("{what} in a script that runs in a transaction"));
    }
}
