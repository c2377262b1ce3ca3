//! The `pitr` process; everything is in the library.

fn main() -> std::process::ExitCode {
    flotilla::tool::main::<pitr::Cli>()
}
