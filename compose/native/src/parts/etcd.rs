//! etcd: the consensus store that says which node of a shard leads.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{File, Owner, fill};
use crate::plan::{Host, Plan, SECOND_REGION, text};
use crate::secrets::Secrets;

/// Three members, of which one may fail; in a second region one of its own, for it has to lead when this
/// one's are gone.
pub(super) struct Etcd;

/// How far above the base port etcd's members talk to each other.
const PEER: u16 = 380;

impl Part for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn needs(&self, _: &Plan) -> Vec<Need> {
        vec![
            Need::new("/usr/bin/etcd", "etcd-server"),
            Need::new("/usr/bin/etcdctl", "etcd-client"),
            Need::new("/usr/bin/curl", "curl"),
        ]
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |host: Host| Member {
            certificate: Some(Certificate {
                name: host.name.clone(),
                names: vec![host.name.clone()],
                // A member checks that a peer's certificate carries the address it calls from, and
                // every connection on the loopback network comes from 127.0.0.1.
                addresses: vec![host.address.into(), Ipv4Addr::LOCALHOST.into()],
                usage: Usage::Both,
                owner: Owner::Servers,
            }),
            name: host.name,
            role: "consensus".to_owned(),
            address: host.address,
            ports: vec![("clients", plan.etcd_port()), ("peers", plan.port(PEER))],
            stage: Stage::Foundation,
            patience: Duration::from_secs(20),
        };
        plan.etcd().into_iter().chain(plan.second_etcd()).map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        topology(plan, &plan.etcd())
    }

    fn files(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<Vec<File>> {
        let second = plan.second_etcd();
        let (hosts, token) = if second.iter().any(|host| host.name == member.name) {
            (second, format!("{}-{SECOND_REGION}", plan.name))
        } else {
            (plan.etcd(), plan.name.clone())
        };
        let peers: Vec<String> =
            hosts.iter().map(|h| format!("{}=https://{}:{}", h.name, h.address, plan.port(PEER))).collect();
        let (authority, data) = (plan.authority(), plan.data(&member.name).join("etcd"));
        let (certificate, key) = (plan.certificate(&member.name), plan.key(&member.name));
        let values = json!({
            "name": member.name,
            "token": token,
            "data": text(&data)?,
            "clients": format!("https://{}:{}", member.address, plan.etcd_port()),
            "peers": format!("https://{}:{}", member.address, plan.port(PEER)),
            "cluster": peers.join(","),
            "authority": text(&authority)?,
            "certificate": text(&certificate)?,
            "key": text(&key)?,
        });
        let path = plan.configuration(&member.name).join("etcd.yml");
        Ok(vec![File::new(path, fill(include_str!("etcd.yml.j2"), &values)?).owner(Owner::Servers)])
    }

    /// It reads its own certificate at every handshake, the authority's once.
    fn takes(&self, what: Renewed) -> Change {
        if what == Renewed::Authority { Change::Restart } else { Change::None }
    }

    /// A leader hands over before it stops, and waits ten seconds when its peers are going, too.
    fn stops_one_by_one(&self) -> bool {
        true
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        let file = plan.configuration(&member.name).join("etcd.yml");
        // Nothing of the caller's environment may change what the file says.
        Launch::new("/usr/bin/etcd".as_ref())?.arg("--config-file").path(&file)
    }

    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        let health = ask::json(&ask::https(plan, member, plan.etcd_port(), "/health")?)?;
        match health["health"].as_str() {
            Some("true") => Ok("healthy".to_owned()),
            _ => Err(format!("not healthy: {health}")),
        }
    }

    fn version(&self, _: &Plan) -> Command {
        let mut command = Command::new("/usr/bin/etcd");
        command.arg("--version");
        command
    }
}

/// The lines of a topology about these members.
pub(super) fn topology(plan: &Plan, hosts: &[Host]) -> Result<String> {
    fill(include_str!("etcd.toml.j2"), &json!({ "hosts": hosts, "port": plan.etcd_port() }))
}
