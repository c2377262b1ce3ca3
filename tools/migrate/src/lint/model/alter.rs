//! What ALTER TABLE changes.

use pg_query::NodeEnum;
use pg_query::protobuf::{
    AlterTableCmd, AlterTableStmt, AlterTableType as Type, ConstrType, Constraint as Parsed, ObjectType, PartitionCmd,
};

use super::create::{add_column, bounds, constraint};
use super::name::Name;
use super::table::{Constraint, Declared, Kind, Made, Parent, Table};
use super::{Catalogue, Effect, What, tree};

impl Catalogue {
    pub(super) fn alter_table(&mut self, alter: &AlterTableStmt, made: Made, done: &mut Vec<Effect>) {
        let Some(relation) = &alter.relation else { return };
        let name = Name::of(relation);
        if alter.objtype() == ObjectType::ObjectIndex {
            return self.doubt(None, "an index is altered");
        }
        if alter.objtype() != ObjectType::ObjectTable {
            self.doubt(Some(name), "something other than a table is altered");
            return;
        }
        if !self.tables.contains_key(&name) {
            // Made outside of the scripts: what is added to it can still be followed.
            let table = Table { made: Made { script: usize::MAX, ..made }, ..Table::default() };
            self.tables.insert(name.clone(), table.into());
        }
        for command in &alter.cmds {
            if let Some(NodeEnum::AlterTableCmd(command)) = &command.node {
                self.alter(&name, command, done);
            }
        }
    }

    fn alter(&mut self, name: &Name, command: &AlterTableCmd, done: &mut Vec<Effect>) {
        let definition = command.def.as_ref().and_then(|def| def.node.as_ref());
        let column = command.name.clone();
        match (command.subtype(), definition) {
            (Type::AtAddConstraint | Type::AtAddIndexConstraint, Some(NodeEnum::Constraint(parsed))) => {
                self.add_constraint(name, parsed, done);
            }
            (Type::AtAttachPartition, Some(NodeEnum::PartitionCmd(partition))) => self.attach(name, partition),
            (Type::AtDetachPartition | Type::AtDetachPartitionFinalize, Some(NodeEnum::PartitionCmd(partition))) => {
                self.detach(partition);
            }
            (Type::AtDropConstraint, _) => {
                if let Some(table) = self.table_mut(name) {
                    table.constraints.remove(&column);
                }
            }
            (Type::AtDropColumn, _) => {
                self.drop_column(name, &column);
                done.push(Effect::ColumnGone(name.clone(), column));
            }
            (subtype, definition) => {
                let Some(table) = self.table_mut(name) else { return };
                if !alter_column(table, name, subtype, column, definition, command, done) {
                    self.doubt(Some(name.clone()), &format!("{} is beyond what lint can follow", words(subtype)));
                }
            }
        }
    }

    fn add_constraint(&mut self, name: &Name, parsed: &Parsed, done: &mut Vec<Effect>) {
        let taken = (!parsed.indexname.is_empty()).then(|| self.indexes.remove(&name.sibling(&*parsed.indexname)));
        let Some(table) = self.table_mut(name) else { return };
        if parsed.contype() == ConstrType::ConstrNotnull {
            for column in tree::strings(&parsed.keys) {
                if let Some(column) = table.columns.get_mut(&column) {
                    column.not_null = true;
                }
            }
            return;
        }
        let columns = taken.flatten().map(|index| index.columns.clone()).unwrap_or_default();
        let Some((mut label, made)) = constraint(table, name, parsed, &columns) else { return };
        if parsed.conname.is_empty() && !parsed.indexname.is_empty() {
            label.clone_from(&parsed.indexname);
        }
        if made.kind == Kind::Primary {
            for column in &made.columns {
                if let Some(column) = table.columns.get_mut(column) {
                    column.not_null = true;
                }
            }
        }
        table.constraints.insert(label.clone(), made);
        done.push(Effect::ConstraintAdded(name.clone(), label));
    }

    fn attach(&mut self, name: &Name, partition: &PartitionCmd) {
        let (Some(child), Some(bound)) = (&partition.name, &partition.bound) else { return };
        let parent = Parent { table: name.clone(), bounds: bounds(bound), is_default: bound.is_default };
        let whole = self.declared(name).cloned();
        if let Some(table) = self.table_mut(&Name::of(child)) {
            table.parent = Some(parent);
            // From now on it is what its partitioned table is.
            if table.declared == whole {
                table.declared = None;
            }
        }
    }

    /// A partition that is detached is what its partitioned table was declared as.
    fn detach(&mut self, partition: &PartitionCmd) {
        let Some(child) = partition.name.as_ref().map(Name::of) else { return };
        let declared: Option<Declared> = self.declared(&child).cloned();
        if let Some(table) = self.table_mut(&child) {
            table.parent = None;
            table.declared = declared;
        }
    }

    /// What hangs on a column goes with it.
    fn drop_column(&mut self, name: &Name, column: &str) {
        if let Some(table) = self.table_mut(name) {
            table.columns.remove(column);
            table.constraints.retain(|_, constraint| !mentions(constraint, column));
        }
        self.indexes.retain(|_, index| index.table != *name || !index.columns.iter().any(|c| c == column));
        let comment = format!("{}.{column}", name.name);
        self.others.retain(|(what, about), _| *what != What::Comment || !about.name.contains(&comment));
    }
}

fn mentions(constraint: &Constraint, column: &str) -> bool {
    let in_text = |text: &str| text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == column);
    constraint.columns.iter().any(|c| c == column) || matches!(&constraint.kind, Kind::Check(text) if in_text(text))
}

/// Changes a column or a setting of the table; false for what isn't known here.
fn alter_column(
    table: &mut Table,
    name: &Name,
    subtype: Type,
    column: String,
    definition: Option<&NodeEnum>,
    command: &AlterTableCmd,
    done: &mut Vec<Effect>,
) -> bool {
    match (subtype, definition) {
        (Type::AtAddColumn, Some(NodeEnum::ColumnDef(definition))) => {
            let known = definition.colname.clone();
            if !(command.missing_ok && table.columns.contains_key(&known)) {
                let before: Vec<String> = table.constraints.keys().cloned().collect();
                add_column(table, name, definition);
                let added = table.constraints.keys().filter(|label| !before.contains(label));
                done.extend(added.map(|label| Effect::ConstraintAdded(name.clone(), label.clone())));
                done.push(Effect::ColumnAdded(name.clone(), known));
            }
        }
        (Type::AtValidateConstraint, _) => {
            if let Some(constraint) = table.constraints.get_mut(&column) {
                constraint.validated = true;
            }
        }
        (Type::AtSetNotNull | Type::AtDropNotNull, _) => {
            table.columns.entry(column).or_default().not_null = subtype == Type::AtSetNotNull;
        }
        (Type::AtColumnDefault, default) => {
            let default = default.map(|node| tree::expression(&tree::wrap(node.clone())));
            table.columns.entry(column.clone()).or_default().default = default;
            done.push(Effect::ColumnChanged(name.clone(), column));
        }
        (Type::AtAlterColumnType, Some(NodeEnum::ColumnDef(definition))) => {
            if let Some(type_name) = &definition.type_name {
                table.columns.entry(column.clone()).or_default().type_name = tree::type_name(type_name);
            }
            done.push(Effect::ColumnChanged(name.clone(), column));
        }
        (Type::AtAddIdentity, Some(NodeEnum::Constraint(identity))) => {
            let when = if identity.generated_when == "a" { "ALWAYS" } else { "BY DEFAULT" };
            table.columns.entry(column.clone()).or_default().identity = Some(when.to_owned());
            done.push(Effect::ColumnChanged(name.clone(), column));
        }
        (Type::AtDropIdentity, _) => table.columns.entry(column).or_default().identity = None,
        (Type::AtDropExpression, _) => table.columns.entry(column).or_default().generated = None,
        (Type::AtEnableRowSecurity, _) => drop(table.settings.insert("row security".to_owned(), "on".to_owned())),
        (Type::AtDisableRowSecurity, _) => drop(table.settings.remove("row security")),
        (Type::AtForceRowSecurity, _) => drop(table.settings.insert("forced row security".to_owned(), "on".to_owned())),
        (Type::AtNoForceRowSecurity, _) => drop(table.settings.remove("forced row security")),
        (Type::AtSetRelOptions | Type::AtResetRelOptions, Some(NodeEnum::List(options))) => {
            for option in &options.items {
                let Some(NodeEnum::DefElem(option)) = &option.node else { continue };
                match &option.arg {
                    Some(value) if subtype == Type::AtSetRelOptions => {
                        table.settings.insert(option.defname.clone(), format!("{:?}", value.node));
                    }
                    _ => drop(table.settings.remove(&option.defname)),
                }
            }
        }
        _ => return false,
    }
    true
}

/// A subcommand's name in the parse tree, as words: `AtSetStorage` is `SET STORAGE`.
fn words(subtype: Type) -> String {
    let mut words = String::from("ALTER TABLE");
    for letter in subtype.as_str_name().trim_start_matches("AT_").chars() {
        if words == "ALTER TABLE" || letter == '_' {
            words.push(' ');
        }
        if letter != '_' {
            words.push(letter.to_ascii_uppercase());
        }
    }
    words
}
