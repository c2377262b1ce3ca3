//! `migrate` beside Flyway's own command line: the same scripts leave the same rows and states, and the
//! two take turns on one database.

mod bodies;
mod callbacks;
mod cases;
mod checksums;
mod differences;
mod locks;
mod refusals;
mod same;
mod sides;
mod turns;

/// How many random cases to try: this many, by default.
#[expect(clippy::disallowed_methods, reason = "for whoever runs the tests, not for a tool")]
fn cases(by_default: u32) -> u32 {
    let factor =
        std::env::var("FLOTILLA_CASES").map_or(1, |factor| factor.parse().expect("FLOTILLA_CASES is a number"));
    by_default * factor
}
