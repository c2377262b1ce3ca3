//! Goes through all scripts as they would run, and asks every rule at every step.

use std::collections::BTreeMap;

use pg_query::NodeEnum;

use super::model::{Catalogue, Doubt, Effect, Made, Name, What};
use super::prepared::Prepared;
use super::rule::{At, Check, Found, Rule};
use flotilla::migrations::scripts::{Kind, Placeholders, Set, Version};

/// All scripts, walked through.
pub(crate) struct World<'a> {
    /// In the order of the walk: baselines, versioned with their undo, repeatable, callbacks.
    pub(crate) scripts: Vec<Prepared<'a>>,
    /// The schema at the end of each line of scripts: that of the versions, and each baseline's own.
    pub(crate) ends: Vec<Catalogue>,
    /// What each undo leaves.
    pub(crate) undone: Vec<Undone>,
    /// What versioned scripts have taken away, and which script did.
    pub(crate) gone: BTreeMap<Gone, usize>,
}

/// Something that was taken away.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Gone {
    Relation(Name),
    Column(Name, String),
    Routine(Name),
}

/// A version, its undo, and what is then not as it was.
#[derive(Debug)]
pub(crate) struct Undone {
    pub(crate) version: usize,
    pub(crate) undo: usize,
    pub(crate) differences: Vec<String>,
    pub(crate) doubts: Vec<Doubt>,
}

/// Walks through everything; `found` has a place for each of `rules`.
pub(crate) fn walk<'a>(
    set: &'a Set,
    placeholders: &Placeholders,
    rules: &[&'static Rule],
    found: &mut [Found],
) -> World<'a> {
    let mut world =
        World { scripts: prepare(set, placeholders), ends: Vec::new(), undone: Vec::new(), gone: BTreeMap::new() };
    Walk { world: &mut world, rules, found }.run();
    for (rule, found) in rules.iter().zip(found.iter_mut()) {
        if let Check::Set(check) = rule.check {
            check(&world, found);
        }
    }
    world
}

/// The schema that the versioned scripts make, as far as it can be followed.
pub(crate) fn schema(set: &Set, placeholders: &Placeholders) -> Catalogue {
    walk(set, placeholders, &[], &mut []).ends.into_iter().next().unwrap_or_default()
}

fn prepare<'a>(set: &'a Set, placeholders: &Placeholders) -> Vec<Prepared<'a>> {
    let mut callbacks: Vec<_> = set.callbacks.values().flatten().collect();
    callbacks.sort_by(|a, b| a.script.cmp(&b.script));
    let in_order = set
        .baselines
        .values()
        .chain(set.versioned.values())
        .chain(set.undo.values())
        .chain(set.repeatable.values())
        .chain(callbacks);
    in_order.enumerate().map(|(number, script)| Prepared::new(number, script, placeholders)).collect()
}

struct Walk<'w, 'a, 'f> {
    world: &'w mut World<'a>,
    rules: &'f [&'static Rule],
    found: &'f mut [Found],
}

impl Walk<'_, '_, '_> {
    fn run(&mut self) {
        let numbers = |world: &World<'_>, wanted: fn(&Kind) -> bool| -> Vec<usize> {
            world.scripts.iter().filter(|s| wanted(&s.script.kind)).map(|s| s.number).collect()
        };
        let versions = numbers(self.world, |kind| matches!(kind, Kind::Versioned(_)));
        let first = versions.first().and_then(|&number| self.world.scripts[number].script.version().cloned());
        let mut schema = Catalogue::default();
        for number in numbers(self.world, |kind| matches!(kind, Kind::Baseline(_))) {
            let mut own = Catalogue::default();
            self.script(number, &mut own, false);
            // Versions that a baseline replaced may have been deleted; it is then what they build on.
            let begins = first.as_ref().is_none_or(|first| self.version(number) < Some(first));
            if begins { schema = own } else { self.world.ends.push(own) }
        }
        let undo = numbers(self.world, |kind| matches!(kind, Kind::Undo(_)));
        for number in versions {
            let before = schema.clone();
            schema.forget_doubts();
            self.script(number, &mut schema, true);
            if let Some(undo) = undo.iter().copied().find(|&undo| self.version(undo) == self.version(number)) {
                self.undo(number, undo, &before, &schema);
            }
        }
        for orphan in undo {
            if !self.world.undone.iter().any(|undone| undone.undo == orphan) {
                self.script(orphan, &mut schema.clone(), false);
            }
        }
        for number in numbers(self.world, |kind| matches!(kind, Kind::Repeatable)) {
            self.script(number, &mut schema, false);
        }
        for number in numbers(self.world, |kind| matches!(kind, Kind::Callback(_))) {
            self.script(number, &mut schema.clone(), false);
        }
        self.world.ends.insert(0, schema);
    }

    fn version(&self, number: usize) -> Option<&Version> {
        self.world.scripts[number].script.version()
    }

    fn undo(&mut self, version: usize, undo: usize, before: &Catalogue, after: &Catalogue) {
        let mut undone = after.clone();
        self.script(undo, &mut undone, false);
        let differences = undone.differences(before);
        let doubts = undone.doubts.into_iter().collect();
        self.world.undone.push(Undone { version, undo, differences, doubts });
    }

    /// Runs one script on a schema; `lasts` where what it takes away is gone for good.
    fn script(&mut self, number: usize, schema: &mut Catalogue, lasts: bool) {
        let script = &self.world.scripts[number];
        for statement in &script.statements {
            let Some(node) = &statement.node else {
                schema.doubt(None, "a statement can't be read");
                continue;
            };
            let before = schema.clone();
            let made = Made { script: number, statement: statement.number };
            let effects = schema.apply(node, made);
            let at = At { script, statement, before: &before, after: schema, effects: &effects };
            for (rule, found) in self.rules.iter().zip(self.found.iter_mut()) {
                if let Check::Statement(check) = rule.check {
                    check(&at, found);
                }
            }
            if lasts {
                doubt_rows(schema, &before, node, &effects, number);
                remember(&mut self.world.gone, &before, node, &effects, number);
            }
        }
    }
}

/// An undo can make a table or column again, but not what was in it.
fn doubt_rows(schema: &mut Catalogue, before: &Catalogue, node: &NodeEnum, effects: &[Effect], number: usize) {
    // A rename takes a name away, and no rows.
    if !matches!(node, NodeEnum::DropStmt(_) | NodeEnum::AlterTableStmt(_)) {
        return;
    }
    let is_older = |table: &Name| before.tables.get(table).is_none_or(|known| known.made.script != number);
    for effect in effects {
        match effect {
            Effect::TableGone(table) if is_older(table) => schema.doubt(Some(table.clone()), "rows are dropped"),
            Effect::ColumnGone(table, column) if is_older(table) => {
                schema.doubt(Some(table.clone()), &format!("the values of column {column} are dropped"));
            }
            _ => {}
        }
    }
}

/// What is gone, and what has come back.
fn remember(gone: &mut BTreeMap<Gone, usize>, before: &Catalogue, node: &NodeEnum, effects: &[Effect], number: usize) {
    for effect in effects {
        let thing = match effect {
            Effect::TableGone(name) | Effect::OtherGone(What::View, name) => Gone::Relation(name.clone()),
            Effect::OtherGone(What::Routine, name) => Gone::Routine(name.clone()),
            Effect::ColumnGone(table, column)
                if before.tables.get(table).is_some_and(|known| known.columns.contains_key(column)) =>
            {
                Gone::Column(table.clone(), column.clone())
            }
            Effect::TableMade(name) => {
                gone.retain(|thing, _| !matches!(thing, Gone::Relation(n) | Gone::Column(n, _) if n == name));
                continue;
            }
            Effect::ColumnAdded(table, column) => {
                gone.remove(&Gone::Column(table.clone(), column.clone()));
                continue;
            }
            _ => continue,
        };
        gone.insert(thing, number);
    }
    if let NodeEnum::ViewStmt(view) = node
        && let Some(relation) = &view.view
    {
        gone.remove(&Gone::Relation(Name::of(relation)));
    }
}
