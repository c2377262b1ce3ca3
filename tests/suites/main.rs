//! The suites: one binary, so that it is linked once. Servers are real, so is the tools' own binary.
#![expect(missing_docs, reason = "a test's name says what it proves")]

mod badinput;
mod cli;
mod harness;
mod manners;
mod pipes;
mod records;
