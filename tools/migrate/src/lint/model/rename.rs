//! What RENAME and SET SCHEMA call otherwise.

use std::sync::Arc;

use pg_query::protobuf::{AlterObjectSchemaStmt, ObjectType, RenameStmt};

use super::name::Name;
use super::table::Made;
use super::{Catalogue, Effect, What, tree};

impl Catalogue {
    pub(super) fn rename(&mut self, rename: &RenameStmt, made: Made, done: &mut Vec<Effect>) {
        let relation = rename.relation.as_ref().map(Name::of);
        match (rename.rename_type(), relation) {
            (ObjectType::ObjectTable, Some(old)) => {
                self.move_table(&old, &old.sibling(&*rename.newname), made);
                done.push(Effect::TableGone(old));
            }
            (ObjectType::ObjectColumn, Some(name)) => {
                self.rename_column(&name, &rename.subname, &rename.newname);
                done.push(Effect::ColumnGone(name, rename.subname.clone()));
            }
            (ObjectType::ObjectTabconstraint, Some(name)) => {
                if let Some(table) = self.table_mut(&name)
                    && let Some(constraint) = table.constraints.remove(&rename.subname)
                {
                    table.constraints.insert(rename.newname.clone(), constraint);
                }
            }
            (ObjectType::ObjectTrigger, Some(name)) => {
                if let Some(table) = self.table_mut(&name)
                    && let Some(text) = table.triggers.remove(&rename.subname)
                {
                    table.triggers.insert(rename.newname.clone(), text);
                }
            }
            (ObjectType::ObjectIndex, Some(old)) => {
                if let Some(index) = self.indexes.remove(&old) {
                    self.indexes.insert(old.sibling(&*rename.newname), index);
                }
            }
            (kind, relation) => {
                let name = relation.or_else(|| rename.object.as_ref().and_then(|o| Name::of_parts(&tree::parts(o))));
                let what = match kind {
                    ObjectType::ObjectView | ObjectType::ObjectMatview => What::View,
                    ObjectType::ObjectType | ObjectType::ObjectDomain => What::Type,
                    ObjectType::ObjectSequence => What::Sequence,
                    _ => return self.doubt(None, "something is renamed that lint doesn't know"),
                };
                let Some(old) = name else { return };
                if let Some(other) = self.others.remove(&(what, old.clone())) {
                    self.others.insert((what, old.sibling(&*rename.newname)), other);
                }
                done.push(Effect::OtherGone(what, old));
            }
        }
    }

    pub(super) fn set_schema(&mut self, alter: &AlterObjectSchemaStmt, made: Made) {
        match (alter.object_type(), &alter.relation) {
            (ObjectType::ObjectTable, Some(relation)) => {
                let old = Name::of(relation);
                let new = Name::new(&alter.newschema, &*old.name);
                self.move_table(&old, &new, made);
            }
            _ => self.doubt(None, "something other than a table is moved to another schema"),
        }
    }

    fn move_table(&mut self, old: &Name, new: &Name, made: Made) {
        let table = self.tables.remove(old).unwrap_or_else(|| {
            // Made outside of the scripts.
            Arc::new(super::Table { made: Made { script: usize::MAX, ..made }, ..super::Table::default() })
        });
        self.tables.insert(new.clone(), table);
        for table in self.tables.values_mut() {
            if table.parent.as_ref().is_some_and(|parent| parent.table == *old)
                && let Some(parent) = &mut Arc::make_mut(table).parent
            {
                parent.table = new.clone();
            }
        }
        for index in self.indexes.values_mut().filter(|index| index.table == *old) {
            let index = Arc::make_mut(index);
            index.table = new.clone();
            index.rest = index.rest.replacen(&format!(" ON {old} "), &format!(" ON {new} "), 1);
        }
    }

    fn rename_column(&mut self, name: &Name, old: &str, new: &str) {
        if let Some(table) = self.table_mut(name) {
            if let Some(column) = table.columns.remove(old) {
                table.columns.insert(new.to_owned(), column);
            }
            for constraint in table.constraints.values_mut() {
                for column in constraint.columns.iter_mut().filter(|column| *column == old) {
                    new.clone_into(column);
                }
            }
        }
        for index in self.indexes.values_mut().filter(|index| index.table == *name) {
            let index = Arc::make_mut(index);
            for column in index.columns.iter_mut().filter(|column| *column == old) {
                new.clone_into(column);
            }
        }
    }
}
