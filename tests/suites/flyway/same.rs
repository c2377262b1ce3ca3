//! The same scripts, applied by either tool on a database of its own: the same rows, states and findings
//! after each step. A case that fails is printed; it isn't made smaller, for that takes minutes.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::cases;
use super::cases::Case;
use super::sides::{FLYWAY, MIGRATE, Sides};

/// How many random sets each test tries; `FLOTILLA_CASES` makes them more, by this factor.
const CASES: u32 = 3;

macro_rules! seeds {
    ($($name:ident $seed:literal)*) => {
        $(#[test]
        fn $name() {
            try_cases($seed);
        })*
    };
}

// Apart, so that they can run at the same time.
seeds! {
    random_sets_leave_the_same_rows_and_states_1 1
    random_sets_leave_the_same_rows_and_states_2 2
    random_sets_leave_the_same_rows_and_states_3 3
    random_sets_leave_the_same_rows_and_states_4 4
}

fn try_cases(seed: u8) {
    let sides = Sides::new();
    let config = Config { cases: cases(CASES), max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]));
    runner.run(&Case::any(), |case| check(&sides, &case)).unwrap_or_else(|e| panic!("{e}"));
}

/// Holds what two sides say to be the same.
macro_rules! same {
    ($flyway:expr, $migrate:expr, $($what:tt)*) => {{
        let (flyway, migrate) = ($flyway, $migrate);
        prop_assert_eq!(&flyway, &migrate, "{}", format!($($what)*));
    }};
}

fn check(sides: &Sides, case: &Case) -> Result<(), TestCaseError> {
    sides.reset();
    sides.scripts(&case.first());
    if let Some(version) = case.baseline {
        let option = format!("-baselineVersion={version}");
        prop_assert!(sides.flyway(&["baseline", &option]).is_ok());
        sides.migrate(&["baseline", "--version", version]).ok();
    }
    step(sides, "migrate", "apply", &Options { target: case.target, ..Options::default() })?;

    sides.scripts(&case.second());
    let second = Options { target: case.second_target, out_of_order: case.out_of_order, ignored: case.ignored };
    step(sides, "", "", &Options { target: None, ..second })?;
    // Flyway never goes on with what failed outside a transaction, and migrate does.
    if !case.fails_alone() {
        step(sides, "migrate", "apply", &second)?;
    }
    step(sides, "repair", "repair", &Options::default())?;
    step(sides, "migrate", "apply", &Options { out_of_order: true, ..Options::default() })
}

/// The options of a step.
#[derive(Clone, Copy, Default)]
struct Options {
    target: Option<&'static str>,
    out_of_order: bool,
    ignored: Option<&'static str>,
}

impl Options {
    fn of_flyway(self) -> Vec<String> {
        let target = self.target.map(|target| format!("-target={target}"));
        let ignored = self.ignored.map(|pattern| format!("-ignoreMigrationPatterns={pattern}"));
        let out_of_order = self.out_of_order.then(|| "-outOfOrder=true".to_owned());
        target.into_iter().chain(ignored).chain(out_of_order).collect()
    }

    fn of_migrate(self) -> Vec<String> {
        let target = self.target.map(|target| format!("--to={target}"));
        let ignored = self.ignored.map(|pattern| format!("--ignore={pattern}"));
        let out_of_order = self.out_of_order.then(|| "--out-of-order".to_owned());
        target.into_iter().chain(ignored).chain(out_of_order).collect()
    }
}

/// The words of a command line; an empty one is none.
fn words<'a>(first: &[&'a str], options: &'a [String]) -> Vec<&'a str> {
    first.iter().copied().filter(|word| !word.is_empty()).chain(options.iter().map(String::as_str)).collect()
}

/// The same command of both, or none; then both say what is there.
fn step(sides: &Sides, flyway: &str, migrate: &str, options: &Options) -> Result<(), TestCaseError> {
    let (of_flyway, of_migrate) = (options.of_flyway(), options.of_migrate());
    let mut answer = sides.flyway(&words(&[flyway, "validate", "info"], &of_flyway));
    let mut what = format!("{flyway} {of_flyway:?}\n{}", answer.text());
    if !migrate.is_empty() {
        let outcome = sides.migrate(&words(&[migrate], &of_migrate));
        what = format!("{what}\n{}\n{}", outcome.transcript(), sides.rows(FLYWAY));
        same!(answer.did(flyway), outcome.code() == Some(0), "success of {what}");
        same!(sides.rows(FLYWAY), sides.rows(MIGRATE), "rows after {what}");
    }
    if !answer.did("info") {
        answer = sides.flyway(&words(&["validate", "info"], &of_flyway));
        what = format!("{what}\n{}", answer.text());
    }
    if !answer.did("info") {
        // What it can't look at, such as a target that isn't there, the other can't either.
        sides.migrate(&words(&["info"], &of_migrate)).code_is(1);
        return Ok(());
    }
    // Flyway shows repeatable scripts as pending that a run with this target doesn't apply.
    let counts = |version: &str| options.target != Some("next") || !version.is_empty();
    let words: Vec<&str> = of_migrate.iter().map(String::as_str).collect();
    let (mut flyway, mut migrate) = (answer.shown(), sides.shown_by_migrate(MIGRATE, &words));
    flyway.retain(|shown| counts(&shown.0));
    migrate.retain(|shown| counts(&shown.0));
    same!(flyway, migrate, "states after {what}");
    let (mut flyway, mut migrate) = (answer.findings(), sides.findings_of_migrate(&words));
    flyway.retain(|finding| counts(&finding.1));
    migrate.retain(|finding| counts(&finding.1));
    same!(flyway, migrate, "findings after {what}");
    Ok(())
}
