//! Cutting a host off: nothing reaches it and nothing leaves it, and nobody is told.
//!
//! All members of a stack share one network, so a host is what runs in a control group: packets to and
//! from its processes' sockets are dropped, those that stay within it pass. That takes rules of the
//! packet filter, which would be the machine's own; so a stack that is to be cut lives in a network namespace
//! of its own:
//!
//! ```text
//! unshare --net sh -c 'ip link set lo up; compose/up …; exec bash'
//! ```

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flotilla::{Code, Error, Result};

use crate::parts::Member;
use crate::plan::Plan;
use crate::process;

/// Where nft lies.
const NFT: &str = "/usr/sbin/nft";

/// Cuts a node off, with every process of these services.
pub(crate) fn cut(plan: &Plan, member: &Member, services: &[&str]) -> Result<()> {
    possible()?;
    let group = group(plan, member);
    mount(plan)?;
    fs::create_dir_all(&group).map_err(|e| failed(&group, e))?;
    let class = class(member);
    let write = |name: &str, text: String| fs::write(group.join(name), text).map_err(|e| failed(&group.join(name), e));
    write("net_cls.classid", class.to_string())?;
    let (name, address) = (table(plan, member), member.address);
    filter(&format!(
        "table ip {name} {{\n\
         chain out {{ type filter hook output priority 0; policy accept;\n\
         meta cgroup {class} ip daddr {address} ct mark set {class} accept\n\
         ct mark {class} accept\n\
         meta cgroup {class} drop\n\
         ip daddr {address} drop\n\
         ip saddr {address} drop\n}}\n\
         chain in {{ type filter hook input priority 0; policy accept;\n\
         ct mark {class} accept\n\
         meta cgroup {class} drop\n}}\n}}\n"
    ))?;
    // What is started meanwhile by one that has moved already is in the group by birth; so those that start
    // others come first, and all of it twice.
    for _ in 0..2 {
        for process in process::all() {
            if process.folder().is_some_and(|folder| works_for(plan, &folder, services)) {
                // It may have ended meanwhile.
                let _ = fs::write(group.join("cgroup.procs"), process.pid.to_string());
            }
        }
    }
    Ok(())
}

/// Undoes it, wherever it was left off.
pub(crate) fn mend(plan: &Plan, member: &Member) -> Result<()> {
    let group = group(plan, member);
    if !group.exists() {
        return Ok(());
    }
    filter(&format!("table ip {name} {{}}\ndelete table ip {name}\n", name = table(plan, member)))?;
    let root = root(plan);
    for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
        let _ = fs::write(root.join("cgroup.procs"), pid);
    }
    fs::remove_dir(&group).map_err(|e| failed(&group, e))?;
    // Stays mounted while another host is cut off.
    let _ = Command::new("umount").arg(&root).stderr(Stdio::null()).status();
    Ok(())
}

fn possible() -> Result<()> {
    let refused =
        |why: &str, hint: &str| Err(Error::refused(format!("a host can't be cut off here: {why}")).hint(hint));
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    if !rustix::process::geteuid().is_root() {
        return refused("it takes root", "Run it as root, or use --fault host-freezes.");
    }
    // Of whom the first process isn't shown, such as in a container, the network tells it by leading somewhere.
    if namespace("self") == namespace("1") || leads_out() {
        return refused(
            "the stack shares the machine's network, whose packet filter isn't the stack's",
            "Start it in a network namespace of its own: \
             unshare --net sh -c 'ip link set lo up; exec bash', and compose/up in there. Or use --fault host-freezes.",
        );
    }
    if !Path::new(NFT).exists() {
        return refused("nft is not installed", "Install the package nftables, or use --fault host-freezes.");
    }
    Ok(())
}

/// Whether this network has routes to others.
fn leads_out() -> bool {
    let others = |file: &str, device: fn(&str) -> Option<&str>| {
        let routes = fs::read_to_string(file).unwrap_or_default();
        routes.lines().any(|route| device(route).is_some_and(|device| device != "lo"))
    };
    // Its first line are headings.
    others("/proc/self/net/route", |route| route.split_whitespace().next().filter(|device| *device != "Iface"))
        || others("/proc/self/net/ipv6_route", |route| route.split_whitespace().last())
}

fn works_for(plan: &Plan, folder: &Path, services: &[&str]) -> bool {
    services.iter().any(|name| folder.starts_with(plan.data(name)) || folder == plan.state.join("service").join(name))
}

fn root(plan: &Plan) -> PathBuf {
    plan.run_folder().join("net_cls")
}

fn group(plan: &Plan, member: &Member) -> PathBuf {
    root(plan).join(format!("{}-{}", plan.name, member.name))
}

/// A number that no other host of the stack has.
fn class(member: &Member) -> u32 {
    0x0010_0000 | u32::from(member.address.octets()[3])
}

fn table(plan: &Plan, member: &Member) -> String {
    format!("flotilla_{}_{}", plan.name, member.name).replace('-', "_")
}

fn mount(plan: &Plan) -> Result<()> {
    let root = root(plan);
    if root.join("cgroup.procs").exists() {
        return Ok(());
    }
    fs::create_dir_all(&root).map_err(|e| failed(&root, e))?;
    let mut command = Command::new("mount");
    run(command.args(["-t", "cgroup", "-o", "net_cls", "none"]).arg(&root), "")
}

fn filter(rules: &str) -> Result<()> {
    run(Command::new(NFT).args(["-f", "-"]), rules)
}

fn run(command: &mut Command, input: &str) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let could_not = |why: String| Error::new(Code::Io, format!("{name} failed")).source(why);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|e| could_not(e.to_string()))?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(input.as_bytes()).map_err(|e| could_not(e.to_string()))?;
    }
    let output = child.wait_with_output().map_err(|e| could_not(e.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(could_not(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(Code::Io, format!("could not write {}", path.display())).source(error)
}
