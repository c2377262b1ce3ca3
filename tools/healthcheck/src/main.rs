//! The `healthcheck` process; everything is in the library.

fn main() -> std::process::ExitCode {
    flotilla::tool::main::<healthcheck::Cli>()
}
