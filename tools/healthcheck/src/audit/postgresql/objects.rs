//! What everybody may do in the database, and whose rights its functions run with.

use crate::audit::facts::Facts;
use crate::audit::rule::{Judged, Rule, Severity, holds, none};

pub(super) const PUBLIC_SCHEMA: &str = "\
SELECT to_json(coalesce(has_schema_privilege('public', to_regnamespace('public')::oid, 'CREATE'), false))";

pub(super) const PUBLIC_DATABASE: &str = "\
SELECT coalesce(json_agg(a.privilege_type ORDER BY a.privilege_type), '[]'::json) FROM pg_database AS d, \
  aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a \
WHERE d.datname = current_database() AND a.grantee = 0";

/// What extensions bring with them is theirs.
pub(super) const PUBLIC_TABLES: &str = "\
SELECT coalesce(json_agg(DISTINCT format('%I.%I', n.nspname, c.relname)), '[]'::json) \
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace, aclexplode(c.relacl) AS a \
WHERE a.grantee = 0 AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
  AND NOT EXISTS (SELECT FROM pg_depend AS d \
    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

pub(super) const DEFINERS: &str = "\
SELECT coalesce(json_agg(format('%I.%I', n.nspname, p.proname) ORDER BY 1), '[]'::json) \
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace \
WHERE p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s WHERE s LIKE 'search\\_path=%') \
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
  AND NOT EXISTS (SELECT FROM pg_depend AS d \
    WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')";

pub(super) const LANGUAGES: &str = "\
SELECT coalesce(json_agg(lanname ORDER BY lanname), '[]'::json) FROM pg_language \
WHERE NOT lanpltrusted AND lanname NOT IN ('internal', 'c')";

pub(super) const EXTENSIONS: &str = "\
SELECT coalesce(json_agg(name || ' is ' || installed_version || ', not ' || default_version ORDER BY name), '[]'::json) \
FROM pg_available_extensions WHERE installed_version <> default_version";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "postgresql-public-schema",
        severity: Severity::Fail,
        proof: false,
        why: "Whoever may log in can put functions in everybody's search path and have others run them.",
        mend: "REVOKE CREATE ON SCHEMA public FROM PUBLIC; shardctl init does so.",
        judge: |facts: &Facts| {
            let may: bool = facts.get("public_schema")?;
            let seen =
                if may { "PUBLIC may create in schema public" } else { "PUBLIC may not create in schema public" };
            holds(!may, seen)
        },
    },
    Rule {
        name: "postgresql-public-database",
        severity: Severity::Warn,
        proof: false,
        why: "Every role of the server, also one of another database, gets in here or fills the disk with temporary tables.",
        mend: "REVOKE ALL ON DATABASE … FROM PUBLIC; shardctl init does so.",
        judge: |facts: &Facts| list(facts, "public_database", "PUBLIC has no right on the database", "PUBLIC has"),
    },
    Rule {
        name: "postgresql-public-table",
        severity: Severity::Fail,
        proof: false,
        why: "Every role that gets in reads or changes these, whatever it is for.",
        mend: "REVOKE ALL ON TABLE … FROM PUBLIC, and grant to the roles that need it.",
        judge: |facts: &Facts| list(facts, "public_tables", "PUBLIC has no right on a table", "PUBLIC has rights on"),
    },
    Rule {
        name: "postgresql-definer-path",
        severity: Severity::Fail,
        proof: false,
        why: "Such a function runs with its owner's rights, and the caller's search_path says which code it runs.",
        mend: "ALTER FUNCTION … SET search_path = pg_catalog, pg_temp.",
        judge: |facts: &Facts| {
            let fine = "every SECURITY DEFINER function sets its search_path";
            list(facts, "definers", fine, "SECURITY DEFINER without a search_path")
        },
    },
    Rule {
        name: "postgresql-untrusted-language",
        severity: Severity::Warn,
        proof: false,
        why: "A function in it does on the server's machine whatever the server's account may.",
        mend: "DROP the language's extension, unless functions need it.",
        judge: |facts: &Facts| list(facts, "languages", "no untrusted language", "untrusted"),
    },
    Rule {
        name: "postgresql-old-extension",
        severity: Severity::Warn,
        proof: false,
        why: "The server has a newer release of it on disk, with its repairs, and the database uses the old one.",
        mend: "ALTER EXTENSION … UPDATE.",
        judge: |facts: &Facts| list(facts, "extensions", "extensions are as new as the server has them", "behind"),
    },
];

fn list(facts: &Facts, name: &str, fine: &str, bad: &str) -> Judged {
    none(&facts.get::<Vec<String>>(name)?, fine, bad)
}
