//! What clients find the stack by: the topology, libpq's files, the shell's environment.

use std::fmt::Write as _;

use flotilla::Result;
use serde_json::json;

use crate::authority::{Certificate, Usage};
use crate::files::{File, Owner, fill};
use crate::parts;
use crate::plan::{DATABASE, Host, Plan, text};
use crate::secrets::{POOL_ADMIN, ROLES, SUPERUSER, Secrets};
use crate::settings;

/// The certificate by which whoever holds it may change Patroni and etcd.
pub(crate) fn operator() -> Certificate {
    Certificate {
        name: "operator".to_owned(),
        names: Vec::new(),
        addresses: Vec::new(),
        usage: Usage::Client,
        owner: Owner::Client,
    }
}

/// Writes them; true when anything changed.
pub(crate) fn write(plan: &Plan, secrets: &Secrets) -> Result<bool> {
    let files = [
        // Root's, so that the tools take it from root and from the user alike.
        File::new(plan.topology(), settings::applied(plan, topology(plan)?)?),
        File::new(plan.service_file(), services(plan)?),
        File::new(plan.password_file(), passwords(plan, secrets)).owner(Owner::Client).private(),
        File::new(plan.state.join("env"), environment(plan)?),
    ];
    let second = plan.second_region.then(|| parts::second_topology(plan)).transpose()?;
    let second = second.map(|text| File::new(plan.second_topology(), text));
    let mut changed = false;
    for file in files.into_iter().chain(second) {
        changed |= file.write(plan)?;
    }
    Ok(changed)
}

/// The topology as `up` would write it, without the user's own settings.
pub(crate) fn topology(plan: &Plan) -> Result<String> {
    let mut text = head(plan)?;
    for part in parts::all() {
        text.push_str(&part.topology(plan)?);
    }
    Ok(text)
}

/// What every topology of the stack begins with.
pub(crate) fn head(plan: &Plan) -> Result<String> {
    fill(include_str!("flotilla.toml.j2"), &json!({ "name": plan.name, "database": DATABASE, "admin": SUPERUSER }))
}

/// One service per node, per shard (whichever node is the primary), and per shard's way through the
/// poolers, to write and to read.
fn services(plan: &Plan) -> Result<String> {
    let authority = plan.authority();
    let tail = format!("sslmode=verify-full\nsslrootcert={}\nconnect_timeout=5\n", text(&authority)?);
    let mut out = String::from("# Written by stack: `psql service=NAME`.\n");
    let mut service = |name: &str, hosts: &[Host], port: u16, database: &str, user: &str, more: &str| {
        let join = |part: &dyn Fn(&Host) -> String| hosts.iter().map(part).collect::<Vec<_>>().join(",");
        let _ = write!(
            out,
            "\n[{name}]\nhost={}\nhostaddr={}\nport={port}\ndbname={database}\nuser={user}\n{more}{tail}",
            join(&|host| host.name.clone()),
            join(&|host| host.address.to_string()),
        );
    };
    let (poolers, pooler) = (plan.poolers(), plan.pooler_port());
    for shard in plan.shards() {
        let name = &shard.name;
        for node in &shard.nodes {
            service(&node.name, std::slice::from_ref(node), plan.postgres_port(), DATABASE, SUPERUSER, "");
        }
        let primary = "target_session_attrs=primary\n";
        service(name, &shard.nodes, plan.postgres_port(), DATABASE, SUPERUSER, primary);
        service(&format!("{name}-rw"), &poolers, pooler, name, "app", "");
        service(&format!("{name}-ro"), &poolers, pooler, &format!("{name}_ro"), "app_ro", "");
    }
    for cluster in plan.standby_clusters() {
        for node in &cluster.nodes {
            service(&node.name, std::slice::from_ref(node), plan.postgres_port(), DATABASE, SUPERUSER, "");
        }
        let primary = "target_session_attrs=primary\n";
        service(&cluster.name, &cluster.nodes, plan.postgres_port(), DATABASE, SUPERUSER, primary);
    }
    for host in &poolers {
        service(&host.name, std::slice::from_ref(host), pooler, "pgbouncer", POOL_ADMIN, "");
    }
    Ok(out)
}

fn passwords(plan: &Plan, secrets: &Secrets) -> String {
    let mut out = String::from("# Written by stack: libpq's password file.\n");
    let mut line = |host: &str, port: u16, user: &str| {
        let _ = writeln!(out, "{host}:{port}:*:{user}:{}", secrets.password(user));
    };
    let standbys = plan.standby_clusters().into_iter().flat_map(|cluster| cluster.nodes);
    for node in plan.shards().into_iter().flat_map(|shard| shard.nodes).chain(standbys) {
        line(&node.name, plan.postgres_port(), SUPERUSER);
        for role in ROLES {
            line(&node.name, plan.postgres_port(), role);
        }
    }
    for host in plan.poolers() {
        line(&host.name, plan.pooler_port(), POOL_ADMIN);
        for role in ROLES {
            line(&host.name, plan.pooler_port(), role);
        }
    }
    // Balancers pass logins through to the nodes.
    for host in plan.balancers() {
        for port in plan.shards().into_iter().flat_map(|shard| [shard.write_port, shard.read_port]) {
            for role in ROLES {
                line(&host.name, port, role);
            }
        }
    }
    out
}

/// What `. compose/env` reads; plain enough for every Bourne-like shell.
fn environment(plan: &Plan) -> Result<String> {
    let (topology, services, passwords) = (plan.topology(), plan.service_file(), plan.password_file());
    let (authority, credentials) = (plan.authority(), plan.object_credentials());
    let regions = plan.regions();
    let region = regions.first().map_or("", |host| host.name.as_str());
    Ok(format!(
        "# Written by stack; `. compose/env` reads it.\n\
         FLOTILLA_STACK='{}'\nFLOTILLA_CONFIG='{}'\nPGSERVICEFILE='{}'\nPGPASSFILE='{}'\nPGSSLROOTCERT='{authority}'\n\
         export FLOTILLA_STACK FLOTILLA_CONFIG PGSERVICEFILE PGPASSFILE PGSSLROOTCERT\n\
         AWS_SHARED_CREDENTIALS_FILE='{credentials}'\nAWS_PROFILE='{region}-writer'\nAWS_REGION='{region}'\n\
         AWS_ENDPOINT_URL_S3='{endpoint}'\nAWS_CA_BUNDLE='{authority}'\n\
         export AWS_SHARED_CREDENTIALS_FILE AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL_S3 AWS_CA_BUNDLE\n\
         case \":$PATH:\" in\n*':{tools}:'*) ;;\n*) PATH='{tools}':$PATH ;;\nesac\nexport PATH\n",
        plan.name,
        text(&topology)?,
        text(&services)?,
        text(&passwords)?,
        authority = text(&authority)?,
        credentials = text(&credentials)?,
        endpoint = plan.archive_endpoint(region).unwrap_or_default(),
        tools = text(&plan.tools)?,
    ))
}
