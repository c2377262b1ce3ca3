//! Turns on one database: whoever did the last step, both find it valid and say the same of it.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::bodies::{Body, Dress};
use super::cases;
use super::cases::File;
use super::sides::{Answer, FLYWAY, Sides};

/// Who does a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Flyway,
    Migrate,
}

/// A step.
#[derive(Clone, Debug)]
enum Step {
    /// A new version, newer or older than the last, and its way back.
    Add(Who, Body, Dress, u8),
    /// A repeatable script, new or changed.
    Repeat(Who, Body, u8),
    /// What was taken back is applied again, if anything was.
    Redo(Who),
    /// The last is taken back; only `migrate` can.
    Undo,
    /// A script is changed or gone, and the history is repaired.
    Repair(Who, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || prop_oneof![Just(Who::Flyway), Just(Who::Migrate)];
    prop_oneof![
        4 => (who(), Body::sound(), Dress::any(), any::<u8>()).prop_map(|(who, body, dress, at)| Step::Add(who, body, dress, at)),
        2 => (who(), Body::sound(), 0..2_u8).prop_map(|(who, body, which)| Step::Repeat(who, body, which)),
        2 => who().prop_map(Step::Redo),
        3 => Just(Step::Undo),
        2 => (who(), any::<bool>()).prop_map(|(who, gone)| Step::Repair(who, gone)),
    ]
}

/// The scripts as they are now.
#[derive(Default)]
struct Folder {
    files: Vec<File>,
    made: usize,
}

impl Folder {
    fn put(&mut self, file: File) {
        self.files.retain(|(name, _)| *name != file.0);
        self.files.push(file);
    }
}

#[test]
fn whoever_did_the_last_step_both_find_it_valid() {
    let sides = Sides::new();
    let config = Config { cases: cases(3), max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let steps = prop::collection::vec(step(), 8..12);
    let run = runner.run(&steps, |steps| {
        sides.reset();
        let mut folder = Folder::default();
        for (at, one) in steps.iter().enumerate() {
            let said = take(&sides, &mut folder, one);
            valid(&sides, said, &format!("step {at}, {one:?}"))?;
        }
        Ok(())
    });
    run.unwrap_or_else(|e| panic!("{e}"));
}

/// What Flyway said of everything, where it did the step: each call of it takes a second.
fn take(sides: &Sides, folder: &mut Folder, step: &Step) -> Option<Answer> {
    match step {
        Step::Add(who, body, dress, at) => {
            folder.made += 1;
            let number = folder.made;
            let version = format!("{at}.{number}");
            folder.put((format!("V{version}__v{number}.sql"), dress.bytes(&body.sql(number, 0))));
            let back = match body {
                Body::IndexConcurrently => format!("DROP INDEX CONCURRENTLY IF EXISTS base.i{number};"),
                _ => format!("DROP TABLE IF EXISTS t{number}, c{number}, s{number}; -- or nothing"),
            };
            folder.put((format!("U{version}__v{number}.sql"), back.into_bytes()));
            apply(sides, folder, *who)
        }
        Step::Repeat(who, body, which) => {
            folder.made += 1;
            folder.put((format!("R__{which}.sql"), body.sql(1000 + usize::from(*which), folder.made).into_bytes()));
            apply(sides, folder, *who)
        }
        Step::Redo(who) => apply(sides, folder, *who),
        Step::Undo => {
            sides.scripts(&folder.files);
            let undone = sides.migrate_on(FLYWAY, &["undo", "--yes"]);
            // The last may be one whose script, and with it the way back, is gone.
            assert!(matches!(undone.code(), Some(0 | 3)), "{}", undone.transcript());
            None
        }
        Step::Repair(who, gone) => {
            let at = folder.files.iter().position(|(name, _)| name.starts_with('V'))?;
            if *gone {
                let (name, _) = folder.files.remove(at);
                folder.files.retain(|(other, _)| other[1..] != name[1..]);
            } else {
                folder.files[at].1.extend(b"-- changed\n");
            }
            sides.scripts(&folder.files);
            // Not the default, which leaves what is newer than every script.
            match who {
                Who::Flyway => {
                    let answer = sides.flyway_on(FLYWAY, &["repair", "-ignoreMigrationPatterns=*:pending"]);
                    assert!(answer.is_ok(), "{}", answer.text());
                }
                Who::Migrate => drop(sides.migrate_on(FLYWAY, &["repair", "--ignore", "*:pending"]).ok()),
            }
            None
        }
    }
}

/// How Flyway looks at a database whose next step is still to be done.
const LOOK: [&str; 4] = ["validate", "info", "-outOfOrder=true", "-ignoreMigrationPatterns=*:future,*:pending"];

fn apply(sides: &Sides, folder: &Folder, who: Who) -> Option<Answer> {
    sides.scripts(&folder.files);
    match who {
        Who::Flyway => {
            let answer = sides.flyway_on(FLYWAY, &[&["migrate"], &LOOK[..]].concat());
            assert!(answer.did("migrate"), "{}", answer.text());
            Some(answer)
        }
        Who::Migrate => {
            sides.migrate_on(FLYWAY, &["apply", "--out-of-order"]).ok();
            None
        }
    }
}

fn valid(sides: &Sides, said: Option<Answer>, when: &str) -> Result<(), TestCaseError> {
    let answer = said.unwrap_or_else(|| sides.flyway_on(FLYWAY, &LOOK));
    prop_assert!(answer.is_ok(), "{when}\n{}\n{}", answer.text(), sides.rows(FLYWAY));
    let options = ["--out-of-order", "--ignore", "*:future", "--ignore", "*:pending"];
    let outcome = sides.migrate_on(FLYWAY, &[&["validate", "--no-compare"], &options[..]].concat());
    prop_assert_eq!(outcome.code(), Some(0), "{}\n{}\n{}", when, outcome.transcript(), sides.rows(FLYWAY));
    prop_assert_eq!(answer.shown(), sides.shown_by_migrate(FLYWAY, &options), "{}\n{}", when, sides.rows(FLYWAY));
    Ok(())
}
