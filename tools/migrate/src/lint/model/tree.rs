//! Reading the parse tree: texts of expressions and types, lists of names.

use pg_query::NodeEnum;
use pg_query::protobuf::{AConst, FuncCall, Node, ParseResult, RawStmt, ResTarget, SelectStmt, TypeCast, TypeName};

/// The text of an expression, in one spelling whatever the script's was.
pub(crate) fn expression(node: &Node) -> String {
    let target = ResTarget { val: Some(Box::new(node.clone())), ..ResTarget::default() };
    let select = SelectStmt {
        target_list: vec![wrap(NodeEnum::ResTarget(Box::new(target)))],
        limit_option: 1,
        op: 1,
        ..SelectStmt::default()
    };
    let text = statement(&NodeEnum::SelectStmt(Box::new(select)));
    text.strip_prefix("SELECT ").map_or(text.clone(), str::to_owned)
}

/// The text of a type, in one spelling.
pub(crate) fn type_name(name: &TypeName) -> String {
    let null = AConst { isnull: true, ..AConst::default() };
    let cast =
        TypeCast { arg: Some(Box::new(wrap(NodeEnum::AConst(null)))), type_name: Some(name.clone()), location: 0 };
    let text = expression(&wrap(NodeEnum::TypeCast(Box::new(cast))));
    let text = text.strip_prefix("NULL::").unwrap_or(&text);
    text.strip_prefix("pg_catalog.").unwrap_or(text).to_owned()
}

/// The text of a whole statement, in one spelling.
pub(crate) fn statement(node: &NodeEnum) -> String {
    let raw = RawStmt { stmt: Some(Box::new(wrap(node.clone()))), stmt_location: 0, stmt_len: 0 };
    let tree = ParseResult { version: 180_000, stmts: vec![raw] };
    pg_query::deparse(&tree, pg_query::DeparseOptions::default()).unwrap_or_default()
}

pub(crate) fn wrap(node: NodeEnum) -> Node {
    Node { node: Some(node) }
}

/// A string in the tree.
pub(crate) fn string(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::String(text)) => Some(&text.sval),
        _ => None,
    }
}

/// The strings of a list.
pub(crate) fn strings(nodes: &[Node]) -> Vec<String> {
    nodes.iter().filter_map(string).map(str::to_owned).collect()
}

/// The strings of a node that is a list, or one string.
pub(crate) fn parts(node: &Node) -> Vec<String> {
    match &node.node {
        Some(NodeEnum::List(list)) => strings(&list.items),
        Some(NodeEnum::TypeName(name)) => strings(&name.names),
        Some(NodeEnum::String(text)) => vec![text.sval.clone()],
        _ => Vec::new(),
    }
}

/// The functions that an expression calls, without their schemas.
pub(crate) fn functions(expression: &str) -> Vec<String> {
    let Ok(parsed) = pg_query::parse(&format!("SELECT {expression}"), 0) else { return Vec::new() };
    let mut names: Vec<String> =
        parsed.functions().into_iter().map(|name| name.rsplit('.').next().unwrap_or(&name).to_owned()).collect();
    names.sort();
    names
}

/// A constant text, also one that is cast.
pub(crate) fn text_constant(node: &Node) -> Option<&str> {
    match &node.node {
        Some(NodeEnum::AConst(AConst { val: Some(pg_query::protobuf::a_const::Val::Sval(text)), .. })) => {
            Some(&text.sval)
        }
        Some(NodeEnum::TypeCast(cast)) => text_constant(cast.arg.as_deref()?),
        _ => None,
    }
}

/// A statement that calls functions for what they do: `SELECT f(…)[, …]` without anything else, or
/// `CALL`.
pub(crate) fn calls(node: &NodeEnum) -> Vec<&FuncCall> {
    match node {
        NodeEnum::SelectStmt(select) => select
            .target_list
            .iter()
            .filter_map(|target| match &target.node {
                Some(NodeEnum::ResTarget(target)) => match target.val.as_ref()?.node.as_ref()? {
                    NodeEnum::FuncCall(call) => Some(&**call),
                    _ => None,
                },
                _ => None,
            })
            .collect(),
        NodeEnum::CallStmt(call) => call.funccall.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
}
