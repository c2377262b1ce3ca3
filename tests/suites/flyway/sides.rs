//! Two databases with the same scripts: one that Flyway works on, and one that `migrate` works on.

use std::fs;

use flotilla_tests::{Fleet, Outcome};
use serde_json::Value;

use super::cases::File;

/// The shard that Flyway works on.
pub(super) const FLYWAY: usize = 0;
/// The shard that `migrate` works on.
pub(super) const MIGRATE: usize = 1;

/// A migration as both tools show it: version, description, type and state.
pub(super) type Shown = (String, String, String, String);

/// Two shards and one folder of scripts.
pub(super) struct Sides {
    pub(super) fleet: Fleet,
}

impl Sides {
    /// Both sides, without scripts and without a history.
    pub(super) fn new() -> Self {
        let fleet = Fleet::new().listening().init().start();
        for shard in [FLYWAY, MIGRATE] {
            // Flyway refuses a schema that isn't empty; what scripts work on is in another.
            fleet.sql(
                shard,
                "CREATE SCHEMA base AUTHORIZATION owner; SET ROLE owner; CREATE TABLE base.ground (x int, same int); \
                 INSERT INTO base.ground SELECT n, 1 FROM generate_series(1, 9) AS n",
            );
        }
        fleet.keep();
        Self { fleet }
    }

    /// Both databases as they were in the beginning.
    pub(super) fn reset(&self) {
        self.fleet.reset();
    }

    /// Makes these the scripts.
    pub(super) fn scripts(&self, files: &[File]) {
        let folder = self.fleet.path().join("migrations");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        for (name, bytes) in files {
            self.fleet.file(format!("migrations/{name}"), bytes);
        }
    }

    /// Runs `migrate` on its side.
    pub(super) fn migrate(&self, args: &[&str]) -> Outcome {
        self.migrate_on(MIGRATE, args)
    }

    /// Runs `migrate` on a shard.
    pub(super) fn migrate_on(&self, shard: usize, args: &[&str]) -> Outcome {
        let target = format!("s{shard}");
        let greeting = ["-t", target.as_str(), "--placeholder", "greeting=hello; it''s me"];
        self.fleet.tool("migrate", [&args[..1], &greeting, &args[1..]].concat()).run()
    }

    /// Runs commands of Flyway on its side.
    pub(super) fn flyway(&self, args: &[&str]) -> Answer {
        self.flyway_on(FLYWAY, args)
    }

    /// Runs commands of Flyway on a shard.
    pub(super) fn flyway_on(&self, shard: usize, args: &[&str]) -> Answer {
        let fixed = ["-placeholders.greeting=hello; it''s me", "-outputType=json"];
        // Its default would have an index that is built concurrently wait for ever.
        let run =
            self.fleet.flyway(shard, [args, &fixed].concat()).env("FLYWAY_POSTGRESQL_TRANSACTIONAL_LOCK", "false");
        Answer::of(run.run())
    }

    /// What each migration's state is, as `migrate` says it.
    pub(super) fn shown_by_migrate(&self, shard: usize, args: &[&str]) -> Vec<Shown> {
        let outcome = self.migrate_on(shard, &[&["info"], args].concat()).ok();
        let lines = outcome.lines().into_iter().filter(|line| line["schema"] == "migrate.migration/1");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        lines
            .map(|line| (text(&line["version"]), text(&line["description"]), text(&line["type"]), text(&line["state"])))
            .collect()
    }

    /// The codes of what validation by `migrate` has found, with versions.
    pub(super) fn findings_of_migrate(&self, options: &[&str]) -> Vec<(String, String)> {
        let validation = self.migrate(&[&["validate", "--no-compare"], options].concat());
        let lines = validation.lines();
        let findings = lines.iter().flat_map(|line| line["findings"].as_array().cloned().unwrap_or_default());
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        findings.map(|finding| (text(&finding["code"]), text(&finding["version"]))).collect()
    }

    /// A shard's history without times. Flyway makes the table even where it has nothing to write.
    pub(super) fn rows(&self, shard: usize) -> String {
        let there = "SELECT to_regclass('flyway_schema_history') IS NOT NULL";
        if self.fleet.sql(shard, there) != "t" {
            return String::new();
        }
        self.fleet.sql(
            shard,
            "SELECT string_agg(concat_ws('|', installed_rank, coalesce(version, '-'), description, type, script, \
             coalesce(checksum::text, '-'), installed_by, success), E'\\n' ORDER BY installed_rank) \
             FROM flyway_schema_history",
        )
    }
}

/// What Flyway has answered.
#[derive(Debug)]
pub(super) struct Answer {
    outcome: Outcome,
    json: Value,
}

impl Answer {
    fn of(outcome: Outcome) -> Self {
        let json = serde_json::from_str(&outcome.stdout);
        let json = json.unwrap_or_else(|e| panic!("no JSON: {e}\n{}", outcome.transcript()));
        Self { outcome, json }
    }

    /// Whether this command was come to and did what it was for; each ends with the first that fails.
    pub(super) fn did(&self, operation: &str) -> bool {
        let result = self.results().into_iter().find(|result| result["operation"] == operation);
        result.is_some_and(|result| {
            result["error"].is_null() && result["exception"].is_null() && result["success"] != false
        })
    }

    /// Whether every command did what it was for. JSON of a failed validation comes with exit code 0.
    pub(super) fn is_ok(&self) -> bool {
        self.outcome.code() == Some(0)
            && self.results().iter().all(|result| result["validationSuccessful"] != false && result["success"] != false)
    }

    /// The answer, for a person.
    pub(super) fn text(&self) -> String {
        let said = self.results().into_iter().map(|result| {
            let said = ["error", "exception", "allErrorMessages"].iter().find_map(|key| match &result[key] {
                Value::String(text) => Some(text.clone()),
                Value::Object(error) => Some(error["message"].to_string()),
                _ => None,
            });
            format!("{}: {}", result["operation"], said.unwrap_or_default())
        });
        format!("$ {}\n{}", self.outcome.shown, said.collect::<Vec<_>>().join("\n"))
    }

    fn results(&self) -> Vec<&Value> {
        self.json["individualResults"].as_array().map_or_else(|| vec![&self.json], |all| all.iter().collect())
    }

    fn result(&self, operation: &str) -> &Value {
        let found = self.results().into_iter().find(|result| result["operation"] == operation);
        found.unwrap_or_else(|| panic!("no answer to {operation}\n{}", self.text()))
    }

    /// The codes of what validation has found, in lower case, with versions.
    pub(super) fn findings(&self) -> Vec<(String, String)> {
        let invalid = self.result("validate")["invalidMigrations"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        invalid
            .iter()
            .map(|one| (text(&one["errorDetails"]["errorCode"]).to_lowercase(), text(&one["version"])))
            .collect()
    }

    /// What each migration's state is, as Flyway says it, in the words of `migrate`.
    pub(super) fn shown(&self) -> Vec<Shown> {
        let migrations = self.result("info")["migrations"].as_array().expect("migrations");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        migrations
            .iter()
            .map(|one| {
                (text(&one["version"]), text(&one["description"]), text(&one["type"]), state(&text(&one["state"])))
            })
            .collect()
    }
}

/// `Failed (Missing)` is `missing_failed`, and so on.
fn state(shown: &str) -> String {
    let lower = shown.to_lowercase();
    match lower.strip_suffix(')').and_then(|text| text.split_once(" (")) {
        Some((what, of)) => format!("{of}_{what}"),
        None => lower.replace(' ', "_"),
    }
}
