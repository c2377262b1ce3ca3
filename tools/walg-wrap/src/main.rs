//! The `walg-wrap` process; everything is in the library.

fn main() -> std::process::ExitCode {
    flotilla::tool::main::<walg_wrap::Cli>()
}
