//! What CREATE makes.

use std::collections::BTreeSet;
use std::sync::Arc;

use pg_query::NodeEnum;
use pg_query::protobuf::{
    ColumnDef, ConstrType, Constraint as Parsed, CreateFunctionStmt, CreateStmt, CreateTableAsStmt, CreateTrigStmt,
    FunctionParameter, FunctionParameterMode, Node, ObjectType, PartitionBoundSpec, TypeName,
};

use super::name::Name;
use super::table::{Column, Constraint, Kind, Made, Parent, Table};
use super::{Catalogue, Effect, Other, What, tree};

impl Catalogue {
    pub(super) fn create_table(&mut self, create: &CreateStmt, made: Made, done: &mut Vec<Effect>) {
        let Some(relation) = &create.relation else { return };
        let name = Name::of(relation);
        if create.if_not_exists && self.tables.contains_key(&name) {
            return;
        }
        let mut table = Table { made, temporary: relation.relpersistence == "t", ..Table::default() };
        if relation.relpersistence == "u" {
            table.settings.insert("persistence".to_owned(), "unlogged".to_owned());
        }
        for option in &create.options {
            if let Some(NodeEnum::DefElem(option)) = &option.node {
                let value = option.arg.as_deref().map(value).unwrap_or_default();
                table.settings.insert(option.defname.clone(), value);
            }
        }
        table.partitioned = create.partspec.as_ref().map(partitioning);
        self.inherit(create, &mut table);
        for element in create.table_elts.iter().chain(&create.constraints) {
            match &element.node {
                Some(NodeEnum::ColumnDef(column)) => add_column(&mut table, &name, column),
                Some(NodeEnum::Constraint(constraint)) => {
                    add_constraint(&mut table, &name, constraint, &[]);
                }
                Some(NodeEnum::TableLikeClause(like)) => {
                    if let Some(model) = like.relation.as_ref().map(Name::of).and_then(|n| self.tables.get(&n)) {
                        for (column, definition) in &model.columns {
                            // Without INCLUDING, a copy has names, types and NOT NULL.
                            let copied = Column {
                                type_name: definition.type_name.clone(),
                                not_null: definition.not_null,
                                ..Column::default()
                            };
                            let all = like.options != 0;
                            table.columns.insert(column.clone(), if all { definition.clone() } else { copied });
                        }
                        if like.options != 0 {
                            for (label, constraint) in &model.constraints {
                                let label = label.replacen(
                                    &like.relation.as_ref().map(|r| r.relname.clone()).unwrap_or_default(),
                                    &name.name,
                                    1,
                                );
                                table.constraints.insert(label, constraint.clone());
                            }
                        }
                    } else {
                        self.doubt(Some(name.clone()), "columns are copied from a table that lint hasn't seen");
                    }
                }
                _ => {}
            }
        }
        self.tables.insert(name.clone(), Arc::new(table));
        done.push(Effect::TableMade(name));
    }

    /// Columns and constraints of what it is a partition of, or inherits from.
    fn inherit(&self, create: &CreateStmt, table: &mut Table) {
        for parent in &create.inh_relations {
            let Some(NodeEnum::RangeVar(parent)) = &parent.node else { continue };
            let parent = Name::of(parent);
            if let Some(model) = self.tables.get(&parent) {
                table.columns.extend(model.columns.clone());
            }
            if let Some(bound) = &create.partbound {
                table.parent = Some(Parent { table: parent, bounds: bounds(bound), is_default: bound.is_default });
            }
        }
    }

    pub(super) fn create_table_as(&mut self, create: &CreateTableAsStmt, made: Made, done: &mut Vec<Effect>) {
        let Some(relation) = create.into.as_ref().and_then(|into| into.rel.as_ref()) else { return };
        let name = Name::of(relation);
        let reads = create.query.as_deref().map(reads).unwrap_or_default();
        let text = tree::statement(&NodeEnum::CreateTableAsStmt(Box::new(create.clone())));
        if create.objtype() == ObjectType::ObjectMatview {
            self.others.insert((What::View, name), Arc::new(Other { text, reads }));
            return;
        }
        let mut table = Table { made, temporary: relation.relpersistence == "t", ..Table::default() };
        table.settings.insert("query".to_owned(), text);
        self.tables.insert(name.clone(), Arc::new(table));
        done.push(Effect::TableMade(name));
    }

    pub(super) fn create_trigger(&mut self, trigger: &CreateTrigStmt) {
        let Some(relation) = &trigger.relation else { return };
        let mut one = trigger.clone();
        one.replace = false;
        let text = tree::statement(&NodeEnum::CreateTrigStmt(Box::new(one)));
        if let Some(table) = self.table_mut(&Name::of(relation)) {
            table.triggers.insert(trigger.trigname.clone(), text);
        } else {
            self.doubt(Some(Name::of(relation)), "a trigger is made on a table that lint hasn't seen");
        }
    }

    /// Everything else that has a name; false for what isn't known here.
    pub(super) fn create_other(&mut self, node: &NodeEnum) -> bool {
        let mut read = BTreeSet::new();
        let key = match node {
            NodeEnum::ViewStmt(view) => {
                let Some(relation) = &view.view else { return false };
                read = view.query.as_deref().map(reads).unwrap_or_default();
                (What::View, Name::of(relation))
            }
            NodeEnum::CreateEnumStmt(make) => (What::Type, of(&make.type_name)),
            NodeEnum::CreateDomainStmt(make) => (What::Type, of(&make.domainname)),
            NodeEnum::CreateRangeStmt(make) => (What::Type, of(&make.type_name)),
            NodeEnum::CompositeTypeStmt(make) => {
                let Some(relation) = &make.typevar else { return false };
                (What::Type, Name::of(relation))
            }
            NodeEnum::AlterEnumStmt(alter) => {
                // A value can't be taken from an enum again.
                let name = of(&alter.type_name);
                if let Some(known) = self.others.get_mut(&(What::Type, name)) {
                    let known = Arc::make_mut(known);
                    known.text = format!("{}; {}", known.text, tree::statement(node));
                }
                return true;
            }
            NodeEnum::CreateFunctionStmt(make) => (What::Routine, signature(make)),
            NodeEnum::CreateSeqStmt(make) => {
                let Some(relation) = &make.sequence else { return false };
                (What::Sequence, Name::of(relation))
            }
            NodeEnum::CreateSchemaStmt(make) if make.schema_elts.is_empty() => {
                (What::Schema, Name::new("", &*make.schemaname))
            }
            NodeEnum::CreateExtensionStmt(make) => (What::Extension, Name::new("", &*make.extname)),
            NodeEnum::CreatePolicyStmt(make) => {
                let Some(relation) = &make.table else { return false };
                read.insert(Name::of(relation));
                (What::Policy, Name::of(relation).sibling(format!("{} on {}", make.policy_name, relation.relname)))
            }
            NodeEnum::RuleStmt(make) => {
                let Some(relation) = &make.relation else { return false };
                read.insert(Name::of(relation));
                (What::Rule, Name::of(relation).sibling(format!("{} on {}", make.rulename, relation.relname)))
            }
            NodeEnum::CreateStatsStmt(make) => (What::Statistics, of(&make.defnames)),
            NodeEnum::CreatePublicationStmt(make) => (What::Publication, Name::new("", &*make.pubname)),
            NodeEnum::CommentStmt(comment) => {
                let mut about = comment.clone();
                let said = std::mem::take(&mut about.comment);
                let object = Name::new("", tree::statement(&NodeEnum::CommentStmt(about)));
                if said.is_empty() {
                    self.others.remove(&(What::Comment, object));
                } else {
                    self.others.insert((What::Comment, object), Arc::new(Other { text: said, reads: read }));
                }
                return true;
            }
            _ => return false,
        };
        self.others.insert(key, Arc::new(Other { text: without_replace(node), reads: read }));
        true
    }
}

/// Adds a column with the constraints that stand behind it.
pub(super) fn add_column(table: &mut Table, name: &Name, definition: &ColumnDef) {
    let mut column = Column {
        type_name: definition.type_name.as_ref().map(tree::type_name).unwrap_or_default(),
        not_null: definition.is_not_null,
        default: definition.raw_default.as_deref().map(tree::expression),
        ..Column::default()
    };
    if matches!(column.type_name.as_str(), "serial" | "bigserial" | "smallserial" | "serial4" | "serial8" | "serial2") {
        column.not_null = true;
    }
    if let Some(collation) = &definition.coll_clause {
        column.settings.insert("collation".to_owned(), tree::strings(&collation.collname).join("."));
    }
    let columns = [definition.colname.clone()];
    for constraint in &definition.constraints {
        let Some(NodeEnum::Constraint(constraint)) = &constraint.node else { continue };
        match constraint.contype() {
            ConstrType::ConstrNotnull => column.not_null = true,
            ConstrType::ConstrDefault => column.default = constraint.raw_expr.as_deref().map(tree::expression),
            ConstrType::ConstrIdentity => {
                column.identity =
                    Some(if constraint.generated_when == "a" { "ALWAYS" } else { "BY DEFAULT" }.to_owned());
                column.not_null = true;
            }
            ConstrType::ConstrGenerated => column.generated = constraint.raw_expr.as_deref().map(tree::expression),
            _ => {
                let added = add_constraint(table, name, constraint, &columns);
                column.not_null |= added == Some(Kind::Primary);
            }
        }
    }
    table.columns.insert(definition.colname.clone(), column);
}

/// Adds a constraint; those of a column are about that column.
pub(super) fn add_constraint(table: &mut Table, name: &Name, parsed: &Parsed, columns: &[String]) -> Option<Kind> {
    let (label, constraint) = constraint(table, name, parsed, columns)?;
    if constraint.kind == Kind::Primary {
        for column in &constraint.columns {
            if let Some(column) = table.columns.get_mut(column) {
                column.not_null = true;
            }
        }
    }
    let kind = constraint.kind.clone();
    table.constraints.insert(label, constraint);
    Some(kind)
}

/// A constraint and its name.
pub(super) fn constraint(
    table: &Table,
    name: &Name,
    parsed: &Parsed,
    given: &[String],
) -> Option<(String, Constraint)> {
    let keys = if parsed.keys.is_empty() { given.to_vec() } else { tree::strings(&parsed.keys) };
    let (kind, columns, label) = match parsed.contype() {
        ConstrType::ConstrPrimary => (Kind::Primary, keys, "pkey"),
        ConstrType::ConstrUnique => (Kind::Unique, keys, "key"),
        ConstrType::ConstrCheck => {
            let text = parsed.raw_expr.as_deref().map(tree::expression).unwrap_or_default();
            (Kind::Check(text), given.to_vec(), "check")
        }
        ConstrType::ConstrForeign => {
            let target = parsed.pktable.as_ref().map(Name::of)?;
            let own = if parsed.fk_attrs.is_empty() { given.to_vec() } else { tree::strings(&parsed.fk_attrs) };
            (Kind::Foreign(target, tree::strings(&parsed.pk_attrs)), own, "fkey")
        }
        ConstrType::ConstrExclusion => (Kind::Exclusion, excluded(&parsed.exclusions), "excl"),
        _ => return None,
    };
    let label = match (&kind, parsed.conname.as_str()) {
        (_, given) if !given.is_empty() => given.to_owned(),
        (Kind::Primary, _) => table.free_name(&name.name, &[], label),
        _ => table.free_name(&name.name, &columns, label),
    };
    let rest = format!(
        "{}{}{}{}{}{}",
        parsed.fk_upd_action,
        parsed.fk_del_action,
        parsed.fk_matchtype,
        if parsed.deferrable { " deferrable" } else { "" },
        if parsed.initdeferred { " deferred" } else { "" },
        if parsed.nulls_not_distinct { " nulls not distinct" } else { "" },
    );
    Some((label, Constraint { kind, columns, validated: !parsed.skip_validation, rest }))
}

fn excluded(exclusions: &[Node]) -> Vec<String> {
    exclusions
        .iter()
        .filter_map(|pair| match &pair.node {
            Some(NodeEnum::List(pair)) => match &pair.items.first()?.node {
                Some(NodeEnum::IndexElem(element)) if !element.name.is_empty() => Some(element.name.clone()),
                Some(NodeEnum::IndexElem(element)) => element.expr.as_deref().map(tree::expression),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

pub(super) fn bounds(bound: &PartitionBoundSpec) -> String {
    let list = |nodes: &[Node]| nodes.iter().map(tree::expression).collect::<Vec<_>>().join(", ");
    if bound.is_default {
        return "DEFAULT".to_owned();
    }
    match &*bound.strategy {
        "h" => format!("WITH (MODULUS {}, REMAINDER {})", bound.modulus, bound.remainder),
        "l" => format!("IN ({})", list(&bound.listdatums)),
        _ => format!("FROM ({}) TO ({})", list(&bound.lowerdatums), list(&bound.upperdatums)),
    }
}

fn partitioning(spec: &pg_query::protobuf::PartitionSpec) -> String {
    let columns: Vec<String> = spec
        .part_params
        .iter()
        .filter_map(|param| match &param.node {
            Some(NodeEnum::PartitionElem(element)) if !element.name.is_empty() => Some(element.name.clone()),
            Some(NodeEnum::PartitionElem(element)) => element.expr.as_deref().map(tree::expression),
            _ => None,
        })
        .collect();
    format!("{:?} ({})", spec.strategy(), columns.join(", "))
}

fn value(node: &Node) -> String {
    match &node.node {
        Some(NodeEnum::String(text)) => text.sval.clone(),
        Some(NodeEnum::Integer(number)) => number.ival.to_string(),
        Some(NodeEnum::Float(number)) => number.fval.clone(),
        _ => String::new(),
    }
}

/// The relations that a query reads.
fn reads(query: &Node) -> BTreeSet<Name> {
    let Some(node) = &query.node else { return BTreeSet::new() };
    let names = node.nodes().into_iter().filter_map(|(node, ..)| match node {
        pg_query::NodeRef::RangeVar(relation) => Some(Name::of(relation)),
        _ => None,
    });
    names.collect()
}

fn of(names: &[Node]) -> Name {
    Name::of_parts(&tree::strings(names)).unwrap_or_else(|| Name::new("", ""))
}

/// A routine's name and the types of what it takes.
fn signature(make: &CreateFunctionStmt) -> Name {
    let takes = make.parameters.iter().filter_map(|parameter| match &parameter.node {
        Some(NodeEnum::FunctionParameter(parameter)) => taken(parameter),
        _ => None,
    });
    routine(&of(&make.funcname), takes)
}

fn taken(parameter: &FunctionParameter) -> Option<&TypeName> {
    match parameter.mode() {
        FunctionParameterMode::FuncParamOut | FunctionParameterMode::FuncParamTable => None,
        _ => parameter.arg_type.as_ref(),
    }
}

/// A routine's name with the types of its arguments.
pub(super) fn routine<'a>(name: &Name, takes: impl Iterator<Item = &'a TypeName>) -> Name {
    let takes: Vec<String> = takes.map(tree::type_name).collect();
    name.sibling(format!("{}({})", name.name, takes.join(", ")))
}

/// The statement in one spelling: `CREATE OR REPLACE` and `IF NOT EXISTS` make the same thing.
fn without_replace(node: &NodeEnum) -> String {
    let mut node = node.clone();
    match &mut node {
        NodeEnum::ViewStmt(make) => make.replace = false,
        NodeEnum::CreateFunctionStmt(make) => make.replace = false,
        NodeEnum::RuleStmt(make) => make.replace = false,
        NodeEnum::CreateSeqStmt(make) => make.if_not_exists = false,
        NodeEnum::CreateSchemaStmt(make) => make.if_not_exists = false,
        NodeEnum::CreateExtensionStmt(make) => make.if_not_exists = false,
        NodeEnum::CreateStatsStmt(make) => make.if_not_exists = false,
        _ => {}
    }
    tree::statement(&node)
}
