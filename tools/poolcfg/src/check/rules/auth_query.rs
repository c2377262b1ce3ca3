//! A query for passwords that lets in too many.

use crate::check::rule::{Found, Rule, Severity};
use crate::check::world::World;

pub(super) const RULE: Rule = Rule {
    name: "auth-query",
    severity: Severity::Error,
    why: "Without rolvaliduntil a password that has ended is still taken (CVE-2025-2291); a name without its schema is looked up by a search_path that others may set.",
    mend: "Ask `SELECT rolname, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END FROM pg_catalog.pg_authid …`, or a function by its schema.",
    check: Some(check),
};

fn check(world: &World<'_>, found: &mut Found) {
    for (at, settings) in world.pgbouncers() {
        let own = settings.set("auth_query");
        let of_databases = settings.databases.iter().filter_map(|db| Some((db.get("auth_query")?, db.at)));
        for (query, place) in own.into_iter().chain(of_databases) {
            let lower = query.to_ascii_lowercase();
            let source = lower.split_once(" from ").map(|(_, rest)| rest.trim_start());
            let source =
                source.and_then(|rest| rest.split(|c: char| c.is_whitespace() || c == '(').next()).unwrap_or_default();
            let is_catalogue = |name: &str| {
                ["pg_authid", "pg_shadow", "pg_roles", "pg_user"].contains(&name.trim_start_matches("pg_catalog."))
            };
            if is_catalogue(source) && !lower.contains("valuntil") && !lower.contains("rolvaliduntil") {
                found.at(at, place, "auth_query doesn't look at rolvaliduntil");
            }
            if !source.is_empty() && !source.contains('.') && !is_catalogue(source) {
                found.at(at, place, format!("auth_query asks \"{source}\", a name without its schema"));
            }
        }
    }
}
