//! What DROP takes away, and what goes with it.

use pg_query::NodeEnum;
use pg_query::protobuf::{DropBehavior, DropStmt, Node, ObjectType, ObjectWithArgs};

use super::create::routine;
use super::name::Name;
use super::{Catalogue, Effect, What, tree};

impl Catalogue {
    pub(super) fn drop(&mut self, drop: &DropStmt, done: &mut Vec<Effect>) {
        let cascade = drop.behavior() == DropBehavior::DropCascade;
        for object in &drop.objects {
            let parts = tree::parts(object);
            let name = Name::of_parts(&parts);
            match (drop.remove_type(), name) {
                (ObjectType::ObjectTable | ObjectType::ObjectForeignTable, Some(name)) => {
                    self.drop_table(&name, cascade, done);
                }
                (ObjectType::ObjectIndex, Some(name)) => drop_from(&mut self.indexes, &name),
                (ObjectType::ObjectTrigger, _) => {
                    if let Some((trigger, table)) = parts.split_last()
                        && let Some(table) = Name::of_parts(table).and_then(|name| self.table_mut(&name))
                    {
                        table.triggers.remove(trigger);
                    }
                }
                (ObjectType::ObjectPolicy, _) => self.drop_part(What::Policy, &parts),
                (ObjectType::ObjectRule, _) => self.drop_part(What::Rule, &parts),
                (ObjectType::ObjectFunction | ObjectType::ObjectProcedure | ObjectType::ObjectRoutine, _) => {
                    self.drop_routine(object, done);
                }
                (ObjectType::ObjectSchema, Some(name)) => self.drop_schema(&name, cascade, done),
                (kind, Some(name)) => {
                    let Some(what) = what(kind) else {
                        self.doubt(None, "something is dropped that lint doesn't know");
                        continue;
                    };
                    let key = (what, name.clone());
                    self.others.remove(&key);
                    done.push(Effect::OtherGone(what, name));
                    if cascade {
                        self.doubt(None, "what depends on it is dropped by CASCADE");
                    }
                }
                (_, None) => self.doubt(None, "something is dropped that lint doesn't know"),
            }
        }
    }

    pub(super) fn drop_table(&mut self, name: &Name, cascade: bool, done: &mut Vec<Effect>) {
        let partitions: Vec<Name> = self.partitions(name).map(|(name, _)| name.clone()).collect();
        for partition in partitions {
            self.drop_table(&partition, cascade, done);
        }
        self.tables.remove(name);
        self.indexes.retain(|_, index| index.table != *name);
        self.doubts.retain(|doubt| doubt.table.as_ref() != Some(name));
        let comment = format!(" {}", name.name);
        self.others.retain(|(what, about), other| match what {
            What::Policy | What::Rule => !other.reads.contains(name),
            What::Comment => !about.name.contains(&comment),
            _ => true,
        });
        done.push(Effect::TableGone(name.clone()));
        if cascade {
            let views: Vec<Name> = self
                .others
                .iter()
                .filter(|((what, _), other)| *what == What::View && other.reads.contains(name))
                .map(|((_, view), _)| view.clone())
                .collect();
            for view in views {
                self.others.remove(&(What::View, view.clone()));
                done.push(Effect::OtherGone(What::View, view));
            }
        }
    }

    fn drop_part(&mut self, what: What, parts: &[String]) {
        if let Some((part, table)) = parts.split_last()
            && let Some(table) = Name::of_parts(table)
        {
            let label = format!("{part} on {}", table.name);
            self.others.remove(&(what, table.sibling(label)));
        }
    }

    fn drop_routine(&mut self, object: &Node, done: &mut Vec<Effect>) {
        let Some(NodeEnum::ObjectWithArgs(object)) = &object.node else { return };
        let Some(name) = Name::of_parts(&tree::strings(&object.objname)) else { return };
        let found = self.find_routine(&name, object);
        for name in found {
            self.others.remove(&(What::Routine, name.clone()));
            done.push(Effect::OtherGone(What::Routine, name));
        }
    }

    /// Without arguments, it is the one routine of that name.
    fn find_routine(&self, name: &Name, object: &ObjectWithArgs) -> Vec<Name> {
        if object.args_unspecified {
            let prefix = format!("{}(", name.name);
            let same = |known: &Name| known.schema == name.schema && known.name.starts_with(&prefix);
            return self
                .others
                .keys()
                .filter(|(what, known)| *what == What::Routine && same(known))
                .map(|(_, n)| n.clone())
                .collect();
        }
        let types = object.objargs.iter().filter_map(|arg| match &arg.node {
            Some(NodeEnum::TypeName(name)) => Some(name),
            _ => None,
        });
        vec![routine(name, types)]
    }

    fn drop_schema(&mut self, name: &Name, cascade: bool, done: &mut Vec<Effect>) {
        let schema = &name.name;
        self.others.remove(&(What::Schema, Name::new("", schema.clone())));
        if cascade {
            let tables: Vec<Name> = self.tables.keys().filter(|table| table.schema == *schema).cloned().collect();
            for table in tables {
                self.drop_table(&table, true, done);
            }
            self.others.retain(|(_, other), _| other.schema != *schema);
        }
    }
}

fn drop_from<T>(things: &mut std::collections::BTreeMap<Name, T>, name: &Name) {
    things.remove(name);
}

fn what(kind: ObjectType) -> Option<What> {
    match kind {
        ObjectType::ObjectView | ObjectType::ObjectMatview => Some(What::View),
        ObjectType::ObjectType | ObjectType::ObjectDomain => Some(What::Type),
        ObjectType::ObjectSequence => Some(What::Sequence),
        ObjectType::ObjectExtension => Some(What::Extension),
        ObjectType::ObjectStatisticExt => Some(What::Statistics),
        ObjectType::ObjectPublication => Some(What::Publication),
        _ => None,
    }
}
