//! A short pass over every reader of foreign bytes: its corpus, and mutations of it by a fixed seed.
//!
//! What `just fuzz TARGET` finds is put into `corpus/TARGET` and is tried here from then on.
//! `FLOTILLA_FUZZ_RUNS` makes the pass longer, `FLOTILLA_FUZZ_SEED` another one.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use flotilla_fuzz::{Mutations, TARGETS, Target};

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let folder = corpora().join(target.name);
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<PathBuf> = files.map(|file| file.expect("a folder can be listed").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a file of the corpus")).collect()
}

fn number(name: &str, default: u64) -> u64 {
    let given = flotilla::env::var(name);
    given.map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

#[test]
fn no_foreign_bytes_break_a_reader() {
    let (runs, seed) = (number("FLOTILLA_FUZZ_RUNS", 4000), number("FLOTILLA_FUZZ_SEED", 81));
    let mut broken = Vec::new();
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let mutated = Mutations::new(&corpus, seed).take(usize::try_from(runs).unwrap());
        let bad = corpus.iter().cloned().chain(mutated).find(|bytes| catch_unwind(|| (target.run)(bytes)).is_err());
        broken.extend(bad.map(|bytes| format!("{}: {}", target.name, bytes.escape_ascii())));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The same seed gives the same inputs: what fails once fails again.
#[test]
fn a_pass_can_be_repeated() {
    let corpus = corpus(&TARGETS[0]);
    let pass = || Mutations::new(&corpus, 7).take(200).collect::<Vec<_>>();
    assert_eq!(pass(), pass());
    assert_ne!(pass(), Mutations::new(&corpus, 8).take(200).collect::<Vec<_>>());
}

#[test]
fn every_target_is_one_of_libfuzzers_and_has_a_corpus() {
    let names = |folder: &Path| -> BTreeSet<String> {
        let files = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        files.map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names(&corpora()), targets);
    assert_eq!(names(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets")), targets);
    let manifest = include_str!("../Cargo.toml");
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is in no [[bin]]");
    }
}
