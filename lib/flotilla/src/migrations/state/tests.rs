//! Properties of `resolve`: whatever becomes of scripts and history, what it says of them adds up.

use std::path::PathBuf;

use proptest::prelude::*;

use super::{Goal, Migration, Rules, Scripts, State, resolve};
use crate::migrations::schema_history::{Row, RowType};
use crate::migrations::scripts::{Kind, Options, Placeholders, Script, Set, Version, checksum};

/// What may happen between two looks.
#[derive(Clone, Debug)]
enum Act {
    Add(u8),
    Edit(u8),
    Remove(u8),
    Repeat(u8, u8),
    Apply(bool),
    Undo,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..12_u8).prop_map(Act::Add),
        1 => (0..12_u8).prop_map(Act::Edit),
        1 => (0..12_u8).prop_map(Act::Remove),
        2 => (0..3_u8, 0..3_u8).prop_map(|(which, text)| Act::Repeat(which, text)),
        3 => any::<bool>().prop_map(Act::Apply),
        2 => Just(Act::Undo),
    ]
}

/// Scripts, and the history that runs have left.
#[derive(Default)]
struct Site {
    set: Set,
    rows: Vec<Row>,
}

/// What is shown of one migration: version, description, rank, state.
type Shown = (Option<String>, String, Option<i32>, State);

impl Site {
    fn after(acts: &[Act]) -> Self {
        let mut site = Self::default();
        for act in acts {
            site.act(act);
        }
        site
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Add(n) => drop(self.set.versioned.entry(version(*n)).or_insert_with(|| versioned(*n, 0))),
            Act::Edit(n) => {
                if let Some(script) = self.set.versioned.get_mut(&version(*n)) {
                    *script = versioned(*n, 1);
                }
            }
            Act::Remove(n) => drop(self.set.versioned.remove(&version(*n))),
            Act::Repeat(which, text) => {
                let script = script(Kind::Repeatable, format!("r{which}"), &format!("SELECT {text}"));
                self.set.repeatable.insert(script.description.clone(), script);
            }
            Act::Apply(out_of_order) => drop(self.apply(*out_of_order)),
            Act::Undo => drop(self.undo()),
        }
    }

    fn look<T>(&self, out_of_order: bool, see: impl FnOnce(&[Migration<'_>]) -> T) -> T {
        let scripts = Scripts::new(&self.set, &Placeholders::default()).expect("scripts");
        let rules = Rules { goal: Goal::Latest, out_of_order };
        see(&resolve(&scripts, &self.rows, &rules).expect("no DELETE row comes twice").all)
    }

    fn shown(&self) -> Vec<Shown> {
        self.look(true, |all| all.iter().map(shown).collect())
    }

    /// Writes a row for what is pending, as a run would; how many.
    fn apply(&mut self, out_of_order: bool) -> usize {
        let pending: Vec<Row> = self.look(out_of_order, |all| {
            let pending = all.iter().filter(|migration| migration.state == State::Pending);
            pending.filter_map(|migration| migration.script.as_ref()).map(|resolved| row(resolved.script)).collect()
        });
        let count = pending.len();
        for row in pending {
            self.append(row);
        }
        count
    }

    /// Writes a DELETE row for the version that was applied last.
    fn undo(&mut self) -> Option<Version> {
        let last = self.look(true, |all| {
            let applied = all
                .iter()
                .filter(|m| matches!(m.state, State::Success | State::OutOfOrder | State::Missing | State::Future));
            applied.filter_map(|m| m.row).filter(|row| row.version.is_some()).max_by_key(|row| row.rank).cloned()
        })?;
        let version = last.version.clone();
        self.append(Row { kind: RowType::Delete, ..last });
        version
    }

    fn append(&mut self, row: Row) {
        let rank = self.rows.last().map_or(1, |last| last.rank + 1);
        self.rows.push(Row { rank, ..row });
    }
}

fn shown(migration: &Migration<'_>) -> Shown {
    let version = migration.version().map(|version| version.text().to_owned());
    (version, migration.description().to_owned(), migration.row.map(|row| row.rank), migration.state)
}

fn version(n: u8) -> Version {
    n.to_string().parse().expect("a version")
}

fn versioned(n: u8, edition: u8) -> Script {
    script(Kind::Versioned(version(n)), format!("v{n}"), &format!("SELECT {n}, {edition}"))
}

fn script(kind: Kind, description: String, text: &str) -> Script {
    Script {
        kind,
        script: format!("{description}.sql"),
        path: PathBuf::from(format!("{description}.sql")),
        description,
        text: text.to_owned(),
        options: Options::default(),
        checksum: checksum::checksum(text),
    }
}

fn row(script: &Script) -> Row {
    Row {
        rank: 0,
        version: script.version().cloned(),
        description: script.description.clone(),
        kind: RowType::of(script),
        script: script.script.clone(),
        checksum: Some(script.checksum),
        success: true,
        installed: None,
    }
}

proptest! {
    /// Each row is shown once, but for a version's DELETE row, which is told by the row before it; each
    /// script is shown, and what isn't in force is shown as not applied.
    #[test]
    fn rows_and_scripts_are_all_shown_and_none_twice(acts in prop::collection::vec(act(), 0..40)) {
        let site = Site::after(&acts);
        let shown = site.shown();
        let mut ranks: Vec<i32> = shown.iter().filter_map(|one| one.2).collect();
        ranks.sort_unstable();
        let told = site.rows.iter().filter(|row| row.kind != RowType::Delete).map(|row| row.rank).collect::<Vec<_>>();
        prop_assert_eq!(ranks, told);
        for version in site.set.versioned.keys() {
            let of: Vec<&Shown> = shown.iter().filter(|one| one.0.as_deref() == Some(version.text())).collect();
            let live = of.iter().filter(|one| !matches!(one.3, State::Deleted)).count();
            prop_assert_eq!(live, 1, "{:?}", of);
        }
    }

    /// A run out of order leaves nothing pending, and the next one has nothing to do.
    #[test]
    fn a_run_leaves_nothing_pending(acts in prop::collection::vec(act(), 0..40)) {
        let mut site = Site::after(&acts);
        site.apply(true);
        prop_assert!(site.shown().iter().all(|one| one.3 != State::Pending));
        prop_assert_eq!(site.apply(true), 0);
    }

    /// Versions come in order, repeatable scripts last; without leave to go back nothing older than what
    /// is in force is pending.
    #[test]
    fn pending_ones_come_in_order_and_not_from_behind(acts in prop::collection::vec(act(), 0..40)) {
        let site = Site::after(&acts);
        let (pending, current) = site.look(false, |all| {
            let pending: Vec<Option<Version>> =
                all.iter().filter(|m| m.state == State::Pending).map(|m| m.version().cloned()).collect();
            let in_force = all.iter().filter(|m| m.row.is_some() && m.state.is_in_force());
            (pending, in_force.filter_map(Migration::version).max().cloned())
        });
        let versions: Vec<&Version> = pending.iter().map_while(Option::as_ref).collect();
        prop_assert!(versions.is_sorted());
        prop_assert_eq!(versions.len(), pending.iter().flatten().count(), "a version behind a repeatable script");
        prop_assert!(versions.iter().all(|version| current.as_ref().is_none_or(|current| *version > current)));
    }

    /// Taking back and applying again ends where it began: the same versions in force, in the same states
    /// but for the order that they came in.
    #[test]
    fn undo_and_redo_end_where_they_began(acts in prop::collection::vec(act(), 0..40), times in 1..4_usize) {
        let mut site = Site::after(&acts);
        site.apply(true);
        let in_force = |site: &Site| -> Vec<(Option<String>, bool)> {
            let mut found: Vec<_> = site
                .shown()
                .into_iter()
                .filter(|one| one.3.is_in_force())
                .map(|one| (one.0, matches!(one.3, State::Success | State::OutOfOrder)))
                .collect();
            found.sort();
            found
        };
        let before = in_force(&site);
        // What has no script any more can't be applied again.
        let gone = before.iter().any(|one| !one.1 && one.0.is_some());
        prop_assume!(!gone);
        let undone: Vec<Version> = (0..times).filter_map(|_| site.undo()).collect();
        prop_assert_eq!(in_force(&site).len(), before.len() - undone.len());
        prop_assert_eq!(site.apply(true), undone.len());
        prop_assert_eq!(in_force(&site), before);
    }
}
