//! What is to be restored of each target: what the command line says, or the line of a plan.

use std::collections::HashMap;

use flotilla::error::{Error, Result};
use flotilla::target::Target;
use serde_json::{Map, Value};

use crate::goal::Goal;

/// What is to be restored of a target.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) goal: Goal,
    pub(crate) exclusive: bool,
    pub(crate) store: Option<String>,
    pub(crate) timeline: Option<u32>,
    /// The hash that the plan must have.
    pub(crate) plan: Option<String>,
}

/// The wish for each target by its name.
pub(crate) fn wishes(targets: &[Target], given: Option<&Goal>, exclusive: bool) -> Result<HashMap<String, Wish>> {
    let mut wishes = HashMap::new();
    for target in targets.iter().filter(|target| target.upstream_failure.is_none()) {
        let is_plan = |line: &&Map<String, Value>| line.get("schema").is_some_and(|schema| schema == "pitr.plan/1");
        let plans: Vec<&Map<String, Value>> = target.lines.iter().filter(is_plan).collect();
        let wish = match (plans.as_slice(), given) {
            ([], Some(goal)) => Wish { goal: goal.clone(), exclusive, store: None, timeline: None, plan: None },
            ([], None) => {
                return Err(Error::usage("no point was named; nothing was touched")
                    .hint("Give one of --to TIME, --lsn LSN, --xid ID, --name POINT and --latest, or pipe in what `pitr plan` wrote."));
            }
            (_, Some(_)) => {
                return Err(Error::usage("a point was named, and a plan came through the pipe; nothing was touched")
                    .hint("Give the one or the other."));
            }
            ([plan], None) => of_plan(plan).ok_or_else(|| {
                Error::input(format!("the plan of \"{}\" can't be understood; nothing was touched", target.name))
                    .hint("Pipe in what `pitr plan` wrote, unchanged.")
            })?,
            _ => {
                return Err(Error::input(format!(
                    "there are several plans of \"{}\"; nothing was touched",
                    target.name
                ))
                .hint("Pipe in one plan for each target."));
            }
        };
        wishes.insert(target.name.clone(), wish);
    }
    Ok(wishes)
}

fn of_plan(plan: &Map<String, Value>) -> Option<Wish> {
    let text = |key: &str| plan.get(key).and_then(Value::as_str);
    let mut goal = Goal::read(text("goal")?, text("goal_value"))?;
    let mut exclusive = plan.get("exclusive")?.as_bool()?;
    if goal == Goal::Latest {
        // What was the latest when it was planned.
        goal = Goal::Lsn(text("stop_lsn")?.parse().ok()?);
        exclusive = false;
    }
    Some(Wish {
        goal,
        exclusive,
        store: text("store").map(str::to_owned),
        timeline: plan.get("way_timeline").and_then(Value::as_u64).and_then(|number| number.try_into().ok()),
        plan: Some(text("plan")?.to_owned()),
    })
}
