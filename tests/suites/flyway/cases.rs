//! Random sets of scripts, and what becomes of them between two runs.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::bodies::{Body, Dress};

/// Versions in rising order, in spellings of all kinds.
const VERSIONS: [&str; 13] = [
    "0.1",
    "1",
    "01.1",
    "1_2",
    "1.10",
    "2.0",
    "3",
    "007",
    "10.0.0",
    "11_0_1",
    "20261125093000",
    "20261125093000.1",
    "99999999999999999999999",
];

/// Descriptions: the part behind `__`.
const WORDS: [&str; 8] = ["a", "", "with space", "sub_dir__double", "Ümlaut_🦀", "dots.in.it", "-dash'quote", LONG];

/// As much as the history has room for.
const LONG: &str = "long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_\
                    long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long";

/// Files that are no scripts, by name or place.
const STRAYS: [&str; 6] =
    ["v1__lower.sql", "V1.5_single.sql", "Vx__y.sql", "V__no_version.sql", "notes.txt", ".hidden/V0.7__h.sql"];

/// A script of a set.
#[derive(Clone, Debug)]
pub(super) struct Script {
    prefix: &'static str,
    version: &'static str,
    words: &'static str,
    folder: &'static str,
    suffix: &'static str,
    body: Body,
    dress: Dress,
    number: usize,
    /// Whether it comes after the first run.
    later: bool,
    /// What happens to it after the first run.
    change: Change,
}

/// What may happen to a script between two runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Keep,
    Edit,
    Delete,
    Rename,
    Dress,
    Move,
}

/// A case: scripts, and how they are run.
#[derive(Clone, Debug)]
pub(super) struct Case {
    scripts: Vec<Script>,
    strays: Vec<&'static str>,
    /// The version that a baseline is made of before the first run.
    pub(super) baseline: Option<&'static str>,
    /// How far the first run goes.
    pub(super) target: Option<&'static str>,
    /// How far the second run goes.
    pub(super) second_target: Option<&'static str>,
    /// Whether the second run may apply older versions.
    pub(super) out_of_order: bool,
    /// What the second run's validation lets pass, in place of `*:future`.
    pub(super) ignored: Option<&'static str>,
}

/// A file of a set: its name below the folder, and its bytes.
pub(super) type File = (String, Vec<u8>);

impl Case {
    /// Any case: with few changes mostly, and a failing script sometimes.
    pub(super) fn any() -> impl Strategy<Value = Self> {
        let failing = prop_oneof![4 => Just(None), 1 => Body::failing().prop_map(Some)];
        let versions = subsequence(&VERSIONS[..], 2..8).prop_flat_map(|versions| {
            let each: Vec<_> = versions.iter().map(|version| script("V", version)).collect();
            (each, subsequence(versions, 0..2))
        });
        let repeatable =
            subsequence(&WORDS[..], 0..4).prop_flat_map(|words| words.into_iter().map(repeatable).collect::<Vec<_>>());
        let baseline = prop_oneof![5 => Just(None), 1 => select(&VERSIONS[..]).prop_map(Some)];
        let script_baseline =
            prop_oneof![4 => Just(None), 1 => select(&VERSIONS[..]).prop_flat_map(|v| script("B", v)).prop_map(Some)];
        let target =
            prop_oneof![5 => Just(None), 1 => select(&["next", "current", "latest", "5?", "1?"][..]).prop_map(Some)];
        let ignored = prop_oneof![
            2 => Just(None),
            1 => select(&["*:missing", "*:ignored", "repeatable:*", "versioned:missing", "*:pending", "*:*", "versioned:future"][..]).prop_map(Some)
        ];
        let strays = subsequence(&STRAYS[..], 0..3);
        let parts = (
            versions,
            repeatable,
            script_baseline,
            baseline,
            (target.clone(), target),
            any::<bool>(),
            ignored,
            strays,
            failing,
        );
        parts.prop_map(
            |((versioned, wrong), repeatable, by_script, baseline, targets, out_of_order, ignored, strays, failing)| {
                let mut scripts: Vec<Script> = versioned.into_iter().chain(repeatable).chain(by_script).collect();
                for (number, script) in scripts.iter_mut().enumerate() {
                    script.number = number;
                    if let Some(body) = failing
                        && wrong.contains(&script.version)
                    {
                        script.body = body;
                    }
                }
                Self { scripts, strays, baseline, target: targets.0, second_target: targets.1, out_of_order, ignored }
            },
        )
    }

    /// The files before the first run.
    pub(super) fn first(&self) -> Vec<File> {
        let scripts = self.scripts.iter().filter(|script| !script.later).map(|script| script.file(Change::Keep));
        scripts.chain(self.strays.iter().map(|name| ((*name).to_owned(), b"SELECT nothing;".to_vec()))).collect()
    }

    /// The files between the first run and the second.
    pub(super) fn second(&self) -> Vec<File> {
        let kept = self.scripts.iter().filter(|script| script.later || script.change != Change::Delete);
        kept.map(|script| script.file(if script.later { Change::Keep } else { script.change })).collect()
    }

    /// Whether a script is among them that fails without a transaction around it.
    pub(super) fn fails_alone(&self) -> bool {
        self.scripts.iter().any(|script| script.body == Body::FailsAlone)
    }
}

impl Script {
    fn file(&self, change: Change) -> File {
        let Self { prefix, version, folder, suffix, .. } = self;
        let words = if change == Change::Rename { "renamed" } else { self.words };
        let folder = if change == Change::Move { "moved/" } else { folder };
        let dress = if change == Change::Dress { Dress::MarkedWindows } else { self.dress };
        let sql = self.body.sql(self.number, usize::from(change == Change::Edit));
        (format!("{folder}{prefix}{version}__{words}{suffix}"), dress.bytes(&sql))
    }
}

fn script(prefix: &'static str, version: &'static str) -> impl Strategy<Value = Script> {
    let change = prop_oneof![
        14 => Just(Change::Keep),
        1 => Just(Change::Edit),
        2 => Just(Change::Delete),
        1 => Just(Change::Rename),
        2 => Just(Change::Dress),
        1 => Just(Change::Move),
    ];
    made(prefix, version, select(&WORDS[..]), change)
}

fn repeatable(words: &'static str) -> impl Strategy<Value = Script> {
    // A repeatable script's name is what it is known by.
    let change = prop_oneof![
        2 => Just(Change::Keep),
        2 => Just(Change::Edit),
        1 => Just(Change::Delete),
        1 => Just(Change::Dress),
        1 => Just(Change::Move),
    ];
    made("R", "", Just(words), change)
}

fn made(
    prefix: &'static str,
    version: &'static str,
    words: impl Strategy<Value = &'static str>,
    change: impl Strategy<Value = Change>,
) -> impl Strategy<Value = Script> {
    let folder = prop_oneof![4 => Just(""), 1 => Just("sub/"), 1 => Just("a b/c/")];
    let suffix = prop_oneof![6 => Just(".sql"), 1 => Just(".SQL")];
    let later = prop::bool::weighted(0.35);
    (words, folder, suffix, Body::sound(), Dress::any(), later, change).prop_map(
        move |(words, folder, suffix, body, dress, later, change)| Script {
            prefix,
            version,
            words,
            folder,
            suffix,
            body,
            dress,
            number: 0,
            later,
            change,
        },
    )
}
