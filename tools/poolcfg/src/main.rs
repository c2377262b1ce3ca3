//! The `poolcfg` process; everything is in the library.

fn main() -> std::process::ExitCode {
    flotilla::tool::main::<poolcfg::Cli>()
}
