//! `stack status`, `start`, `stop` and `kill`: looking at a stack that is up, and moving single
//! members of it, for drills.

use std::collections::BTreeMap;

use flotilla::{Code, Error, Result};

use crate::parts::{Member, Part};
use crate::secrets::Secrets;
use crate::stack::{Stack, Which};
use crate::{places, show, up};

pub(crate) type Members = Vec<(&'static dyn Part, Member)>;

/// How a member is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It is asked to, and ends its work.
    Ask,
    /// SIGKILL to all its processes at once.
    Kill,
}

/// Prints what every member answers; fails when one doesn't.
pub fn status(which: &Which) -> Result<()> {
    let stack = open(which)?;
    let members = Stack::members(&stack.plan);
    let secrets = Secrets::prepare(&stack.plan)?;
    let answers: Vec<Result<String, String>> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            members.iter().map(|(part, member)| scope.spawn(|| part.probe(&stack.plan, &secrets, member))).collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err("not asked".to_owned()))).collect()
    });
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    let said = answers.into_iter().map(|answer| answer.unwrap_or_else(|why| format!("DOWN: {why}")));
    let said: BTreeMap<String, String> = members.iter().map(|(_, member)| member.name.clone()).zip(said).collect();
    show::table(&stack.plan, &members, &said)?;
    if failed == 0 {
        return Ok(());
    }
    Err(Error::new(Code::Unreachable, format!("{failed} of {} members don't answer", members.len()))
        .hint("`stack up` starts what is down; a member's log is log/NAME/current in the stack's folder."))
}

/// Starts members and waits until they answer.
pub fn start(which: &Which, names: &[String]) -> Result<()> {
    let stack = open(which)?;
    let members = Stack::members(&stack.plan);
    let chosen = chosen(&members, names)?;
    let changed = stack.supervisor().up(&chosen.iter().map(|(_, member)| member).collect::<Vec<_>>())?;
    let answers = up::wait(&stack.plan, &Secrets::prepare(&stack.plan)?, &chosen)?;
    for (name, answer) in answers {
        show::say(&format!("{name}: {}{answer}", if changed { "started: " } else { "" }));
    }
    Ok(())
}

/// Stops members; they stay down until they are started again.
pub fn stop(which: &Which, names: &[String], how: Stop) -> Result<()> {
    let stack = open(which)?;
    let members = Stack::members(&stack.plan);
    let chosen: Vec<&Member> = chosen(&members, names)?.into_iter().map(|(_, member)| member).collect();
    let supervisor = stack.supervisor();
    match how {
        Stop::Kill => supervisor.kill(&chosen)?,
        Stop::Ask => {
            supervisor.keep_down(&chosen)?;
            supervisor.down(&chosen)?;
        }
    }
    for member in chosen {
        show::say(&format!("{}: {}", member.name, if how == Stop::Kill { "killed" } else { "stopped" }));
    }
    Ok(())
}

/// A stack that is up.
pub(crate) fn open(which: &Which) -> Result<Stack> {
    let absent = || {
        let down = || Error::new(Code::NotFound, format!("the stack \"{}\" is not up", which.name));
        places::is_roots(&which.name).unwrap_or_else(|| down().hint("Start it with compose/up."))
    };
    let stack = Stack::open(which)?.ok_or_else(absent)?;
    if stack.supervisor().running().is_some() { Ok(stack) } else { Err(absent()) }
}

pub(crate) fn chosen<'a>(members: &'a Members, names: &[String]) -> Result<Vec<&'a (&'static dyn Part, Member)>> {
    let find = |name: &String| {
        members.iter().find(|(_, member)| member.name == *name).ok_or_else(|| {
            let all: Vec<&str> = members.iter().map(|(_, member)| member.name.as_str()).collect();
            Error::new(Code::UnknownTarget, format!("there is no member \"{name}\" in the stack"))
                .hint(format!("There are: {}.", all.join(", ")))
        })
    };
    names.iter().map(find).collect()
}
