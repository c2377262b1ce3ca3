//! The `migrate` process; everything is in the library.

fn main() -> std::process::ExitCode {
    flotilla::tool::main::<migrate::Cli>()
}
