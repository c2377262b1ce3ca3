//! `stack down`: stops what `up` started, and nothing else.

use std::fs;
use std::time::Instant;

use flotilla::Result;

use crate::parts::{Member, Stage};
use crate::stack::{Stack, Which};
use crate::{cut, places, postgres, show};

/// Stops the stack; with `wipe`, removes its data too.
pub fn down(which: &Which, wipe: bool) -> Result<()> {
    let began = Instant::now();
    let Some(stack) = Stack::open(which)? else {
        if let Some(error) = places::is_roots(&which.name) {
            return Err(error);
        }
        show::say(&format!("there is no stack \"{}\" in {}; nothing to do", which.name, which.state.display()));
        return Ok(());
    };
    let supervisor = stack.supervisor();
    let name = stack.plan.name.clone();
    if supervisor.processes().is_empty() {
        show::say(&format!("the stack \"{name}\" was down already"));
    } else {
        stop(&stack)?;
        show::say(&format!("the stack \"{name}\" is down after {:.1} s", began.elapsed().as_secs_f64()));
    }
    // Sockets and pid files of servers that were killed.
    let _ = fs::remove_dir_all(stack.plan.run_folder());
    if wipe {
        let state = stack.plan.state.clone();
        stack.wipe()?;
        show::say(&format!("removed {}", state.display()));
    }
    Ok(())
}

/// Stops every process of the stack: those that are supervised in order, then whatever is left.
pub(crate) fn stop(stack: &Stack) -> Result<()> {
    let supervisor = stack.supervisor();
    let members = Stack::members(&stack.plan);
    // One that was cut off in a drill would not be heard of.
    for (_, member) in &members {
        cut::mend(&stack.plan, member)?;
    }
    // The way in first, the foundation last: so no client sees half a stack.
    for stage in [Stage::SecondRegion, Stage::Copy, Stage::Balance, Stage::Pool, Stage::Database, Stage::Foundation] {
        let of_stage = members.iter().filter(|(_, member)| member.stage == stage);
        let (alone, together): (Vec<_>, Vec<_>) = of_stage.partition(|(part, _)| part.stops_one_by_one());
        supervisor.down(&together.into_iter().map(|(_, member)| member).collect::<Vec<&Member>>())?;
        for (_, member) in alone {
            supervisor.down(&[member])?;
        }
    }
    supervisor.end()?;
    for (_, member) in &members {
        // Also of data folders that were moved aside.
        for folder in fs::read_dir(stack.plan.data(&member.name)).into_iter().flatten().flatten() {
            postgres::release_shared_memory(&folder.path());
        }
    }
    Ok(())
}
