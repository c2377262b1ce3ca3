//! squawk's rules. Its library makes no promise of stability, so nothing else here knows it.
//!
//! Comments that ignore are judged by this tool, which can then say which of them are good for nothing.

use std::ops::Range;
use std::str::FromStr as _;

use squawk_linter::{Linter, Rule, Version};
use squawk_syntax::SourceFile;

use super::finding::Severity;

/// One of squawk's rules, as this house has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct House {
    pub(crate) name: &'static str,
    rule: Rule,
    /// How bad it is here; `None` is off unless it is asked for.
    pub(crate) severity: Option<Severity>,
    pub(crate) why: &'static str,
    /// What it is about.
    pub(crate) about: About,
}

/// What a rule is about, and so where it is noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Locks and scans: nobody waits for a table that was made by the same script.
    Locks,
    /// Clients that still use the old shape: no client knows a table of the same script, and taking
    /// things away is what an undo is for.
    Clients,
    /// The way of writing.
    Style,
}

/// A violation, in this tool's words.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) rule: &'static House,
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

const fn on(name: &'static str, rule: Rule, severity: Severity, about: About, why: &'static str) -> House {
    House { name, rule, severity: Some(severity), why, about }
}

const fn off(name: &'static str, rule: Rule, about: About, why: &'static str) -> House {
    House { name, rule, severity: None, why, about }
}

use About::{Clients, Locks, Style};
use Severity::{Error, Info, Warning};

/// Every rule that has a place here.
pub(crate) const HOUSE: &[House] = &[
    off(
        "adding-field-with-default",
        Rule::AddingFieldWithDefault,
        Locks,
        "volatile-default says the same and knows more functions.",
    ),
    on(
        "adding-foreign-key-constraint",
        Rule::AddingForeignKeyConstraint,
        Warning,
        Locks,
        "A foreign key checks every row while both tables are locked against writes.",
    ),
    on(
        "adding-not-nullable-field",
        Rule::AddingNotNullableField,
        Warning,
        Locks,
        "SET NOT NULL scans the table while nobody can read it.",
    ),
    on(
        "adding-required-field",
        Rule::AddingRequiredField,
        Error,
        Clients,
        "A column that is NOT NULL without default fails as soon as there are rows, and so do clients that don't know it.",
    ),
    on(
        "adding-serial-primary-key-field",
        Rule::AddingSerialPrimaryKeyField,
        Warning,
        Locks,
        "A new primary key column rewrites the table or builds its index under an exclusive lock.",
    ),
    on(
        "ban-alter-domain-with-add-constraint",
        Rule::BanAlterDomainWithAddConstraint,
        Warning,
        Locks,
        "A constraint on a domain scans every table that uses it.",
    ),
    on(
        "ban-alter-generated-expression",
        Rule::BanAlterGeneratedExpression,
        Warning,
        Locks,
        "Another expression rewrites the table.",
    ),
    on("ban-char-field", Rule::BanCharField, Warning, Style, "char(n) pads with blanks; text has no disadvantage."),
    off(
        "ban-concurrent-index-creation-in-transaction",
        Rule::BanConcurrentIndexCreationInTransaction,
        Locks,
        "not-alone says it of every such statement.",
    ),
    on(
        "ban-create-domain-with-constraint",
        Rule::BanCreateDomainWithConstraint,
        Info,
        Style,
        "A domain's constraint can't be changed without scanning its tables.",
    ),
    off(
        "ban-drop-constraint",
        Rule::BanDropConstraint,
        Clients,
        "It touches no row; undo-not-inverse watches over what is lost.",
    ),
    on(
        "ban-drop-column",
        Rule::BanDropColumn,
        Warning,
        Clients,
        "Clients that still name the column fail, and its values are gone.",
    ),
    on("ban-drop-database", Rule::BanDropDatabase, Error, Clients, "A migration must not drop a database."),
    on(
        "ban-drop-default",
        Rule::BanDropDefault,
        Warning,
        Clients,
        "Clients that leave the column out fail or store null.",
    ),
    on("ban-drop-domain", Rule::BanDropDomain, Warning, Clients, "Clients that still use the type fail."),
    on("ban-drop-extension", Rule::BanDropExtension, Warning, Clients, "What was built on the extension fails."),
    on("ban-drop-function", Rule::BanDropFunction, Warning, Clients, "Clients that still call it fail."),
    on(
        "ban-drop-generated-expression",
        Rule::BanDropGeneratedExpression,
        Warning,
        Clients,
        "The column is no longer computed, and nobody sets it yet.",
    ),
    on("ban-drop-not-null", Rule::BanDropNotNull, Warning, Clients, "Clients that don't expect null fail."),
    on("ban-drop-schema", Rule::BanDropSchema, Warning, Clients, "Clients that still use the schema fail."),
    on("ban-drop-sequence", Rule::BanDropSequence, Warning, Clients, "Clients that still draw from it fail."),
    on(
        "ban-drop-table",
        Rule::BanDropTable,
        Warning,
        Clients,
        "Clients that still use the table fail, and its rows are gone.",
    ),
    on("ban-drop-type", Rule::BanDropType, Warning, Clients, "Clients that still use the type fail."),
    on("ban-drop-view", Rule::BanDropView, Warning, Clients, "Clients that still read the view fail."),
    on(
        "ban-duplicate-column-assignments",
        Rule::BanDuplicateColumnAssignments,
        Error,
        Style,
        "PostgreSQL refuses to set a column twice.",
    ),
    on("ban-set-schema", Rule::BanSetSchema, Warning, Clients, "Clients look for it where it was."),
    on(
        "ban-truncate-cascade",
        Rule::BanTruncateCascade,
        Warning,
        Clients,
        "CASCADE empties tables that the statement doesn't name.",
    ),
    off(
        "ban-uncommitted-transaction",
        Rule::BanUncommittedTransaction,
        Style,
        "transaction-control says it: the tool begins and commits.",
    ),
    on(
        "changing-column-type",
        Rule::ChangingColumnType,
        Warning,
        Locks,
        "Another type rewrites the table while nobody can read it.",
    ),
    on(
        "constraint-missing-not-valid",
        Rule::ConstraintMissingNotValid,
        Warning,
        Locks,
        "Without NOT VALID every row is checked under an exclusive lock.",
    ),
    on(
        "disallowed-unique-constraint",
        Rule::DisallowedUniqueConstraint,
        Warning,
        Locks,
        "The index behind it is built under an exclusive lock.",
    ),
    on(
        "identifier-too-long",
        Rule::IdentifierTooLong,
        Warning,
        Style,
        "PostgreSQL cuts names at 63 bytes, and two may become one.",
    ),
    on(
        "prefer-bigint-over-int",
        Rule::PreferBigintOverInt,
        Info,
        Style,
        "An integer runs out at two thousand million, and changing it rewrites the table.",
    ),
    on(
        "prefer-bigint-over-smallint",
        Rule::PreferBigintOverSmallint,
        Info,
        Style,
        "A smallint runs out at 32767, and changing it rewrites the table.",
    ),
    off(
        "prefer-identity",
        Rule::PreferIdentity,
        Style,
        "local-sequence wants neither serial nor identity where rows are sharded.",
    ),
    off(
        "prefer-robust-stmts",
        Rule::PreferRobustStmts,
        Style,
        "The history knows what ran, and IF NOT EXISTS would take an invalid index for a good one.",
    ),
    on(
        "prefer-text-field",
        Rule::PreferTextField,
        Info,
        Style,
        "Another length limit locks the table; a CHECK can be added without.",
    ),
    on(
        "prefer-timestamptz",
        Rule::PreferTimestampTz,
        Warning,
        Style,
        "Without time zone, a time means something else on each client.",
    ),
    on(
        "renaming-column",
        Rule::RenamingColumn,
        Warning,
        Clients,
        "Clients that know the old name fail until they are replaced.",
    ),
    on("renaming-object", Rule::RenamingObject, Info, Clients, "Who knows the old name no longer finds it."),
    on(
        "renaming-table",
        Rule::RenamingTable,
        Warning,
        Clients,
        "Clients that know the old name fail until they are replaced.",
    ),
    on(
        "require-concurrent-index-creation",
        Rule::RequireConcurrentIndexCreation,
        Warning,
        Locks,
        "Without CONCURRENTLY nobody can write while the index is built.",
    ),
    on(
        "require-concurrent-index-deletion",
        Rule::RequireConcurrentIndexDeletion,
        Warning,
        Locks,
        "Without CONCURRENTLY nobody can read while the drop waits for its lock.",
    ),
    on(
        "require-concurrent-partition-detach",
        Rule::RequireConcurrentPartitionDetach,
        Warning,
        Locks,
        "Without CONCURRENTLY nobody can read while the detach waits for its lock.",
    ),
    on(
        "require-concurrent-reindex",
        Rule::RequireConcurrentReindex,
        Warning,
        Locks,
        "Without CONCURRENTLY nobody can write while the index is rebuilt.",
    ),
    on(
        "require-enum-value-ordering",
        Rule::RequireEnumValueOrdering,
        Info,
        Style,
        "Without BEFORE or AFTER the order depends on who adds first.",
    ),
    off(
        "require-lock-timeout",
        Rule::RequireLockTimeout,
        Locks,
        "`migrate apply` sets lock_timeout for every statement.",
    ),
    off(
        "require-statement-timeout",
        Rule::RequireStatementTimeout,
        Locks,
        "`migrate apply` bounds statements by --deadline.",
    ),
    off("require-table-schema", Rule::RequireTableSchema, Style, "The search_path of a migration is fixed."),
    off(
        "transaction-nesting",
        Rule::TransactionNesting,
        Style,
        "transaction-control says it, and knows which scripts run in a transaction.",
    ),
];

/// What is asked of squawk.
pub(crate) struct Request<'a> {
    pub(crate) sql: &'a str,
    pub(crate) in_transaction: bool,
    /// PostgreSQL's major version.
    pub(crate) version: u32,
    /// Whether to ask this rule.
    pub(crate) wanted: &'a dyn Fn(&House) -> bool,
}

/// What squawk finds.
pub(crate) fn check(request: &Request<'_>) -> Vec<Violation> {
    let rules = HOUSE.iter().filter(|house| (request.wanted)(house)).map(|house| house.rule);
    let mut linter = Linter::from(rules);
    linter.settings.assume_in_transaction = request.in_transaction;
    linter.settings.pg_version = Version::from_str(&format!("{}.0", request.version)).unwrap_or_default();
    // Its own comments, so that it judges all and ignores none.
    let sql = request.sql.replace("squawk-ignore", "squawk_ignore");
    let parsed = SourceFile::parse(&sql);
    let violations = linter.lint(&parsed, &sql).into_iter().filter_map(|found| {
        let rule = HOUSE.iter().find(|house| house.rule == found.code)?;
        let range = usize::from(found.text_range.start())..usize::from(found.text_range.end());
        Some(Violation { rule, range, message: found.message, help: found.help })
    });
    violations.collect()
}
