//! What starts the second region, and what it forbids: its servers start when there is a base backup that they
//! can be made of, and once they lead, the first region's don't start beside them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use flotilla::{Code, Error, Result};

use crate::plan::Plan;
use crate::show;

/// How long a backup may take to arrive.
const LIMIT: Duration = Duration::from_mins(10);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// Refuses to start the first region beside a second one that has been promoted: both would lead.
pub(crate) fn check(plan: &Plan) -> Result<()> {
    let nodes = plan.standby_clusters().into_iter().flat_map(|cluster| cluster.nodes);
    let Some(node) = nodes.into_iter().find(|node| has_been_promoted(&plan.data(&node.name).join("postgres"))) else {
        return Ok(());
    };
    Err(Error::refused(format!("\"{}\" has been promoted; the first region would lead as well", node.name)).hint(
        "docs/runbooks/promote-second-region.md says how the first region is rebuilt, member by member; `compose/down --wipe` begins anew.",
    ))
}

/// Whether a data folder that once followed doesn't any more. One that was only just restored has the
/// backup's label, and doesn't follow yet.
fn has_been_promoted(data: &Path) -> bool {
    let has = |name: &str| data.join(name).exists();
    has("global/pg_control") && !has("standby.signal") && !has("backup_label")
}

/// Sees to it that every shard whose standby cluster has no data yet has a base backup in the second
/// region's store. Where the first region's has none either, one is made, for which a new shard is set up.
pub(crate) fn feed(plan: &Plan) -> Result<()> {
    let store = plan.second_store().name;
    let mut hungry = plan.standby_clusters();
    hungry.retain(|cluster| {
        let mut folders = cluster.nodes.iter().map(|node| plan.data(&node.name).join("postgres"));
        !folders.any(|folder| has_data(&folder))
    });
    let shards: Vec<&str> = hungry.iter().map(|cluster| cluster.shard.as_str()).collect();
    let lacking = |store: Option<&str>| -> Vec<&str> {
        shards.iter().copied().filter(|shard| !is_restorable(plan, shard, store)).collect()
    };
    let nowhere: Vec<&str> =
        lacking(Some(&store)).into_iter().filter(|shard| !is_restorable(plan, shard, None)).collect();
    if !nowhere.is_empty() {
        show::say(&format!("taking base backups of {}, for there are none", nowhere.join(" and ")));
        let targets: Vec<&str> = nowhere.iter().flat_map(|shard| ["-t", *shard]).collect();
        let push = || run(plan, "walg-wrap", &[&["push", "-q"][..], &targets].concat());
        // Only a shard that was never set up has to be: it lacks the role that takes backups.
        if push().is_err() {
            run(plan, "shardctl", &[&["init", "-q"][..], &targets].concat())?;
            push()?;
        }
    }
    let began = Instant::now();
    loop {
        let waiting = lacking(Some(&store));
        if waiting.is_empty() {
            return Ok(());
        }
        if began.elapsed() > LIMIT {
            let what = format!("base backups of {} do not arrive in \"{store}\"", waiting.join(" and "));
            let log = plan.copier().map_or_else(String::new, |host| plan.log(&host.name).display().to_string());
            return Err(Error::new(Code::Timeout, what).hint(format!("{log}/current says why.")));
        }
        std::thread::sleep(PAUSE);
    }
}

fn has_data(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Whether a store, or the first one, has a backup of the shard that can be restored.
fn is_restorable(plan: &Plan, shard: &str, store: Option<&str>) -> bool {
    // A folder that isn't there: nothing is written.
    let nowhere = plan.run_folder().join("nowhere").display().to_string();
    let mut args = vec!["fetch", "--dry-run", "-t", shard, "LATEST", "--into", &nowhere];
    args.extend(store.iter().flat_map(|store| ["--store", *store]));
    run(plan, "walg-wrap", &args).is_ok()
}

/// Runs a tool on this stack to its end.
fn run(plan: &Plan, tool: &str, args: &[&str]) -> Result<()> {
    let mut command = Command::new(plan.tool(tool));
    command.args(args).arg("--config").arg(plan.topology()).env("PGPASSFILE", plan.password_file());
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|source| {
        Error::new(Code::NotFound, format!("could not run {}", plan.tool(tool).display())).source(source)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let said = [text(&output.stderr), text(&output.stdout)].join("\n");
    Err(Error::new(Code::Unreachable, format!("{tool} {} failed", args.join(" "))).source(said.trim().to_owned()))
}
