//! MinIO: S3 for archives, twice, as two regions that know nothing of each other.

use std::process::Command;
use std::time::Duration;

use flotilla::Result;
use serde_json::json;

use super::{Launch, Member, Need, Part, Renewed, Stage, ask};
use crate::authority::{Certificate, Usage};
use crate::change::Change;
use crate::files::{self, File, Owner, fill};
use crate::minio::{May, Programs, Service, environment};
use crate::plan::{Host, Plan, text};
use crate::secrets::{MINIO_ROOT, Secrets, archive_user};

/// Two servers; the first one's archives are copied to the second.
pub(super) struct Minio;

/// The bucket of archives in each.
const BUCKET: &str = "archive";
/// For how many days it keeps what was deleted, so that nobody who has the key can destroy every backup at once.
const OLD_VERSIONS_DAYS: u8 = 7;
/// Who works in it, and how.
const USERS: [(&str, May); 2] = [("writer", May::Write), ("reader", May::Read)];

fn service<'a>(plan: &Plan, secrets: &'a Secrets, programs: &'a Programs, member: &Member) -> Service<'a> {
    Service {
        programs,
        endpoint: plan.archive_endpoint(&member.name).unwrap_or_default(),
        authority: plan.authority(),
        user: MINIO_ROOT,
        password: secrets.password(MINIO_ROOT),
    }
}

impl Part for Minio {
    fn name(&self) -> &'static str {
        "minio"
    }

    fn needs(&self, plan: &Plan) -> Vec<Need> {
        Programs::below(&plan.cache).needs()
    }

    fn members(&self, plan: &Plan) -> Vec<Member> {
        let member = |host: Host| Member {
            // S3's clients have no way to be told an address beside a name.
            certificate: Some(Certificate::of(&host, Usage::Server)),
            name: host.name,
            role: "objects".to_owned(),
            address: host.address,
            ports: vec![("s3", plan.archive_port())],
            stage: Stage::Foundation,
            patience: Duration::from_secs(20),
        };
        plan.regions().into_iter().map(member).collect()
    }

    fn topology(&self, plan: &Plan) -> Result<String> {
        topology(plan, &plan.regions())
    }

    fn files(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<Vec<File>> {
        let folder = plan.configuration(&member.name);
        let private = environment(MINIO_ROOT, secrets.password(MINIO_ROOT), &member.name);
        let (authority, data, certs) = (plan.authority(), plan.data(&member.name), folder.join("certs"));
        let (certificate, key) = (plan.certificate(&member.name), plan.key(&member.name));
        let programs = Programs::below(&plan.cache);
        let values = json!({
            "server": text(&programs.server)?,
            "environment": text(&folder.join("minio.env"))?,
            "certs": text(&certs)?,
            "authority": text(&authority)?,
            "certificate": text(&certificate)?,
            "key": text(&key)?,
            "address": format!("{}:{}", member.address, plan.archive_port()),
            "data": text(&data.join("objects"))?,
        });
        let start = fill(include_str!("minio.sh.j2"), &values)?;
        Ok(vec![
            File::new(folder.join("minio.env"), private).owner(Owner::Servers).private(),
            File::new(folder.join("start"), start).owner(Owner::Servers).program(),
        ])
    }

    fn takes(&self, _: Renewed) -> Change {
        Change::Restart
    }

    fn command(&self, plan: &Plan, member: &Member) -> Result<Launch> {
        Launch::new(&plan.configuration(&member.name).join("start"))
    }

    fn probe(&self, plan: &Plan, _: &Secrets, member: &Member) -> Result<String, String> {
        ask::https(plan, member, member.ports[0].1, "/minio/health/ready").map(|_| "answers".to_owned())
    }

    /// The bucket and its users. What was made is noted, and looked at again all the same: the data may
    /// be others than those that it was noted for.
    fn furnish(&self, plan: &Plan, secrets: &Secrets, member: &Member) -> Result<bool> {
        let programs = Programs::below(&plan.cache);
        let service = service(plan, secrets, &programs, member);
        let users: Vec<(String, May)> =
            USERS.into_iter().map(|(user, may)| (archive_user(&member.name, user), may)).collect();
        let note = File::new(plan.configuration(&member.name).join("users.json"), wanted(&users)).owner(Owner::Servers);
        let noted = files::read_if_there(&plan.configuration(&member.name).join("users.json"))?;
        let admitted = || users.iter().all(|(user, _)| service.admits(user, secrets.password(user), BUCKET));
        if noted.is_some_and(|noted| noted == wanted(&users)) && admitted() {
            return Ok(false);
        }
        service.bucket(BUCKET)?;
        service.keep_versions(BUCKET, OLD_VERSIONS_DAYS)?;
        for (user, may) in &users {
            service.user(user, secrets.password(user), *may, BUCKET)?;
        }
        note.write(plan)?;
        Ok(true)
    }

    fn version(&self, plan: &Plan) -> Command {
        let mut command = Command::new("/bin/sh");
        // It prints "minio version RELEASE.2026-02-12T20-18-48Z …".
        command.args(["-c", "\"$0\" --version | sed -n '1s/.*RELEASE\\.\\([0-9-]*\\).*/\\1/; 1s/-/./gp'"]);
        command.arg(Programs::below(&plan.cache).server);
        command
    }
}

/// The lines of a topology about archives in these regions, of which the first is written to.
pub(super) fn topology(plan: &Plan, regions: &[Host]) -> Result<String> {
    let stores: Vec<_> = regions
        .iter()
        .map(|host| {
            let (endpoint, profile) = (plan.archive_endpoint(&host.name), archive_user(&host.name, USERS[0].0));
            json!({ "name": host.name, "endpoint": endpoint, "profile": profile })
        })
        .collect();
    fill(include_str!("minio.toml.j2"), &json!({ "stores": stores, "bucket": BUCKET, "path": plan.name }))
}

/// What is to be made in a server, in a form that can be compared.
fn wanted(users: &[(String, May)]) -> String {
    let users: Vec<_> = users.iter().map(|(user, may)| json!({ "user": user, "policy": may.policy(BUCKET) })).collect();
    format!("{:#}\n", json!({ "bucket": BUCKET, "old_versions_days": OLD_VERSIONS_DAYS, "users": users }))
}
