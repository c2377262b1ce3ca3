//! The topology file.

use std::path::Path;

use flotilla::config::Config;
use flotilla::target;

use crate::refusal;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text, Path::new("flotilla.toml")) {
        Err(error) => {
            refusal(&error);
            assert!(error.message().starts_with("flotilla.toml:"), "{error:?}");
        }
        Ok(config) => {
            // Every target is found by its name.
            let all = target::all(&config);
            let names: Vec<String> = all.iter().map(|target| target.name.clone()).collect();
            let found = target::named(&config, &names).expect("every target has a name");
            assert_eq!(found.len(), all.len());
        }
    }
}
