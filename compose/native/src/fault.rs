//! `stack fault`: breaks members in the way that `shardctl drill` asks for, and mends them.
//!
//! A host is a node with its watchdog. What is broken stays so until it is mended, but for crashes,
//! after which the supervisor starts again what has died.

use clap::ValueEnum;
use flotilla::Result;
use rustix::process::Signal;

use crate::parts::{Member, Stage, watchdog};
use crate::secrets::Secrets;
use crate::stack::{Stack, Which};
use crate::supervisor::Supervisor;
use crate::{cut, member, postgres, show, up};

/// Breaking or mending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Act {
    /// Break.
    Break,
    /// Mend.
    Mend,
}

/// What breaks. The names are those of `shardctl drill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// PostgreSQL is killed, its Patroni lives.
    PostgresDies,
    /// PostgreSQL and Patroni are killed, and started again.
    NodeCrashes,
    /// PostgreSQL and Patroni are killed with their supervisor.
    NodeDies,
    /// A host dies, with whoever watches over its node.
    HostDies,
    /// Patroni is killed over a living PostgreSQL, and stays dead.
    PatroniDies,
    /// Patroni is killed over a living PostgreSQL, and started again.
    PatroniCrashes,
    /// All processes of a host stand still.
    HostFreezes,
    /// A host hears and says nothing.
    HostCutOff,
    /// A replica's host dies.
    ReplicaDies,
    /// A member of etcd dies.
    EtcdDies,
    /// All members of etcd die.
    EtcdsDie,
    /// A pooler dies.
    PoolerDies,
    /// A balancer dies.
    BalancerDies,
}

/// Breaks or mends.
pub fn run(which: &Which, act: Act, fault: Fault, names: &[String]) -> Result<()> {
    let stack = member::open(which)?;
    let members = Stack::members(&stack.plan);
    // A host takes its watchdog with it.
    let with_watchdogs = names.iter().flat_map(|name| {
        let own = watchdog::of(name);
        let own = members.iter().any(|(_, member)| member.name == own).then_some(own);
        std::iter::once(name.clone()).chain(own)
    });
    let host: Vec<String> = with_watchdogs.collect();
    let hosts: Vec<&Member> = member::chosen(&members, &host)?.into_iter().map(|(_, member)| member).collect();
    let struck: Vec<&Member> = member::chosen(&members, names)?.into_iter().map(|(_, member)| member).collect();
    let supervisor = stack.supervisor();
    match act {
        Act::Break => strike(&stack, &supervisor, fault, &struck, &hosts)?,
        Act::Mend => mend(&stack, &supervisor, &hosts)?,
    }
    let word = fault.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
    let did = if act == Act::Break { "broken" } else { "mended" };
    show::say(&format!("{did}: {word} of {}", names.join(", ")));
    Ok(())
}

fn strike(
    stack: &Stack,
    supervisor: &Supervisor<'_>,
    fault: Fault,
    struck: &[&Member],
    hosts: &[&Member],
) -> Result<()> {
    match fault {
        Fault::PostgresDies => {
            let program = postgres::program("postgres");
            signal(supervisor, struck, Signal::KILL, |process| process.program().as_ref() == Some(&program));
        }
        Fault::NodeCrashes => signal(supervisor, struck, Signal::KILL, |_| true),
        Fault::NodeDies => supervisor.kill(struck)?,
        Fault::HostDies
        | Fault::ReplicaDies
        | Fault::EtcdDies
        | Fault::EtcdsDie
        | Fault::PoolerDies
        | Fault::BalancerDies => {
            supervisor.kill(hosts)?;
        }
        Fault::PatroniDies | Fault::PatroniCrashes => {
            if fault == Fault::PatroniDies {
                supervisor.keep_down(struck)?;
                supervisor.once(struck)?;
            }
            for member in struck {
                if let Some(patroni) = supervisor.started(member) {
                    patroni.signal(Signal::KILL);
                }
            }
        }
        // Twice: what was just being started is caught the second time.
        Fault::HostFreezes => {
            signal(supervisor, hosts, Signal::STOP, |_| true);
            signal(supervisor, hosts, Signal::STOP, |_| true);
        }
        Fault::HostCutOff => {
            for member in struck {
                let host = |other: &&&Member| other.name == member.name || other.name == watchdog::of(&member.name);
                let services = hosts.iter().filter(host).map(|member| member.name.as_str()).collect::<Vec<_>>();
                cut::cut(&stack.plan, member, &services)?;
            }
        }
    }
    Ok(())
}

fn signal(
    supervisor: &Supervisor<'_>,
    members: &[&Member],
    signal: Signal,
    which: impl Fn(&crate::process::Identity) -> bool,
) {
    for process in members.iter().flat_map(|member| supervisor.at_work(member)).filter(which) {
        process.signal(signal);
    }
}

/// Whatever was broken: all of it can be undone whether it was done or not.
fn mend(stack: &Stack, supervisor: &Supervisor<'_>, hosts: &[&Member]) -> Result<()> {
    for member in hosts {
        cut::mend(&stack.plan, member)?;
    }
    signal(supervisor, hosts, Signal::CONT, |_| true);
    supervisor.up(hosts)?;
    // Nodes take their time; whoever drills watches them itself.
    let members = Stack::members(&stack.plan);
    let names: Vec<String> =
        hosts.iter().filter(|member| member.stage != Stage::Database).map(|member| member.name.clone()).collect();
    let others = member::chosen(&members, &names)?;
    up::wait(&stack.plan, &Secrets::prepare(&stack.plan)?, &others).map(drop)
}
