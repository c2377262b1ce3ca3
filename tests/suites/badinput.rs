//! Bad input: each a clear error with a hint, the right exit code, nothing touched.

mod config;
mod lines;
mod servers;

use flotilla_tests::Outcome;

/// The tool itself refused: nothing on standard output, message and hint on standard error.
#[track_caller]
fn refused(outcome: Outcome, code: i32, says: &[&str]) -> Outcome {
    let outcome = outcome.code_is(code).no_lines().says("\n  hint: ");
    assert!(!outcome.stderr.contains("panicked"), "{}", outcome.transcript());
    says.iter().fold(outcome, |outcome, text| outcome.says(text))
}
