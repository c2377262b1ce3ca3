//! Completions for the shells, as clap derives them.

use clap_complete::{Generator as _, Shell, generate};

use crate::tools::Documented;

/// Each shell's file, under the name that the shell looks for.
pub(crate) fn all(tool: &Documented) -> Vec<(String, String)> {
    let shells = [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)];
    let files = shells.into_iter().map(|(folder, shell)| {
        let mut text = Vec::new();
        generate(shell, &mut tool.command.clone(), tool.name, &mut text);
        (format!("{folder}/{}", shell.file_name(tool.name)), String::from_utf8_lossy(&text).into_owned())
    });
    files.collect()
}
