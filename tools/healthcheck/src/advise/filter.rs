//! Which columns of a table a condition of a plan looks for, so that an index on them would find its rows.

use pg_query::NodeEnum;
use pg_query::protobuf::{AExpr, AExprKind, BoolExprType, Node};

use super::schema::{Column, Schema};

/// The columns that an index should have, in its order: those that are compared with one value, then one that is
/// compared with a range. Conditions that an index on plain columns doesn't serve are passed over.
pub(super) fn columns(schema: &Schema, table: i64, alias: &str, condition: &str) -> Vec<String> {
    let Ok(parsed) = pg_query::parse(&format!("SELECT WHERE {condition}"), 0) else { return Vec::new() };
    let [statement] = parsed.protobuf.stmts.as_slice() else { return Vec::new() };
    let Some(NodeEnum::SelectStmt(select)) = statement.stmt.as_ref().and_then(|s| s.node.as_ref()) else {
        return Vec::new();
    };
    let mut looked = Looked { schema, table, alias, equal: Vec::new(), range: Vec::new() };
    if let Some(condition) = &select.where_clause {
        looked.walk(condition);
    }
    let Looked { mut equal, range, .. } = looked;
    let range = range.into_iter().find(|column| !equal.contains(column));
    equal.extend(range);
    equal
}

struct Looked<'a> {
    schema: &'a Schema,
    table: i64,
    alias: &'a str,
    equal: Vec<String>,
    range: Vec<String>,
}

impl Looked<'_> {
    fn walk(&mut self, node: &Node) {
        match node.node.as_ref() {
            Some(NodeEnum::BoolExpr(all)) if all.boolop == BoolExprType::AndExpr as i32 => {
                all.args.iter().for_each(|part| self.walk(part));
            }
            Some(NodeEnum::AExpr(compared)) => self.compared(compared),
            _ => {}
        }
    }

    fn compared(&mut self, compared: &AExpr) {
        let is_any = compared.kind == AExprKind::AexprOpAny as i32;
        if compared.kind != AExprKind::AexprOp as i32 && !is_any {
            return;
        }
        let [operator] = compared.name.as_slice() else { return };
        let Some(NodeEnum::String(operator)) = operator.node.as_ref() else { return };
        let (Some(left), Some(right)) = (compared.lexpr.as_deref(), compared.rexpr.as_deref()) else { return };
        let sides = [(left, right), (right, left)];
        let sides = if is_any { &sides[..1] } else { &sides[..] };
        let Some(name) = sides.iter().find_map(|(one, other)| {
            let name = self.column(one)?;
            self.is_given(other).then_some(name)
        }) else {
            return;
        };
        let kept = match operator.sval.as_str() {
            "=" => &mut self.equal,
            "<" | "<=" | ">" | ">=" if !is_any => &mut self.range,
            _ => return,
        };
        if !kept.contains(&name) {
            kept.push(name);
        }
    }

    /// The column that an expression is, also where a varchar is compared as text: an index serves both.
    fn column(&self, node: &Node) -> Option<String> {
        match node.node.as_ref()? {
            NodeEnum::ColumnRef(_) => self.referenced(node).map(|column| column.name.clone()),
            NodeEnum::TypeCast(cast) => {
                let kind = cast.type_name.as_ref()?.names.last()?.node.as_ref()?;
                let is_text = matches!(kind, NodeEnum::String(name) if name.sval == "text");
                let column = self.referenced(cast.arg.as_deref()?)?;
                (is_text && column.kind == "varchar").then(|| column.name.clone())
            }
            _ => None,
        }
    }

    fn referenced(&self, node: &Node) -> Option<&Column> {
        let Some(NodeEnum::ColumnRef(reference)) = node.node.as_ref() else { return None };
        let parts: Vec<&str> = reference
            .fields
            .iter()
            .filter_map(|field| match field.node.as_ref()? {
                NodeEnum::String(part) => Some(part.sval.as_str()),
                _ => None,
            })
            .collect();
        match parts.as_slice() {
            [alias, name] if *alias == self.alias => self.schema.column_named(self.table, name),
            [name] => self.schema.column_named(self.table, name),
            _ => None,
        }
    }

    /// Whether an expression has the same value for every row of the table, as far as is certain.
    fn is_given(&self, node: &Node) -> bool {
        match node.node.as_ref() {
            Some(NodeEnum::ParamRef(_) | NodeEnum::AConst(_) | NodeEnum::SqlvalueFunction(_)) => true,
            Some(NodeEnum::TypeCast(cast)) => cast.arg.as_deref().is_some_and(|inner| self.is_given(inner)),
            Some(NodeEnum::AArrayExpr(array)) => array.elements.iter().all(|element| self.is_given(element)),
            Some(NodeEnum::FuncCall(call)) => call.args.iter().all(|argument| self.is_given(argument)),
            Some(NodeEnum::AExpr(both)) => {
                [&both.lexpr, &both.rexpr].into_iter().flatten().all(|side| self.is_given(side))
            }
            // Of another table, in a join. A name without a table is this one's.
            Some(NodeEnum::ColumnRef(reference)) => match reference.fields.as_slice() {
                [alias, _] => !matches!(alias.node.as_ref(), Some(NodeEnum::String(name)) if name.sval == self.alias),
                _ => false,
            },
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::{Column, Schema};
    use super::columns;

    fn looked(condition: &str) -> Vec<String> {
        let column = |number: i16, name: &str, kind: &str| Column {
            table: 1,
            number,
            name: name.into(),
            bare_name: name.into(),
            kind: kind.into(),
        };
        let kinds = [column(1, "a", "int8"), column(2, "b", "varchar"), column(3, "c", "date")];
        columns(&Schema::of(kinds.into()), 1, "t", condition)
    }

    #[test]
    fn equal_columns_come_before_one_range() {
        assert_eq!(looked("((t.c > $1) AND (t.a = $2))"), ["a", "c"]);
        assert_eq!(looked("(((t.b)::text = $1) AND (t.a = ANY ($2)))"), ["b", "a"]);
        assert_eq!(looked("(($1 >= t.c) AND (t.a < 5))"), ["c"]);
        assert_eq!(looked("(t.a = u.a)"), ["a"]);
    }

    #[test]
    fn what_an_index_on_columns_doesnt_serve_is_passed_over() {
        for other in [
            "(t.a = t.b)",
            "((t.a = 1) OR (t.b = $1))",
            "(lower(t.b) = $1)",
            "(t.b ~~ $1)",
            "((t.c)::text = $1)",
            "(t.a <> 1)",
            "nonsense (SubPlan",
        ] {
            assert!(looked(other).is_empty(), "{other}");
        }
    }
}
