//! `stack up`: everything runs and answers, or an error says what doesn't and why.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::{Duration, Instant};

use flotilla::{Code, Error, Result};

use crate::change::{self, Change};
use crate::files::{self, Owner};
use crate::parts::{self, Member, Part, Stage};
use crate::plan::{NAME, Plan};
use crate::secrets::Secrets;
use crate::stack::{Stack, Which};
use crate::supervisor::{self, Supervisor};
use crate::{authority, clients, down, preflight, second_region, settings, show};

/// How long all parts together may take until they answer.
const LIMIT: Duration = Duration::from_mins(5);
/// How long it is until a member is asked again: twice as long each time, for asking some forty of them takes the
/// processor from those that are to answer.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(1);

/// Brings the stack up and prints its table.
pub fn up(which: &Which) -> Result<()> {
    let began = Instant::now();
    let known = Stack::open(which)?;
    let new = known.is_none();
    let plan = match &known {
        Some(stack) => which.plan(Some(&stack.record))?,
        None => which.plan(None)?,
    };
    let members = Stack::members(&plan);
    check(&plan, &members, known.as_ref())?;
    let stack = match known {
        Some(stack) => stack.grown(plan)?,
        None => Stack::create(plan)?,
    };
    let plan = &stack.plan;
    if new {
        show::say(&format!("making the stack \"{}\" in {}", plan.name, plan.state.display()));
    }
    stack.open_way()?;
    let supervisor = stack.supervisor();
    if supervisor.running().is_none() && !supervisor.processes().is_empty() {
        show::say("the supervisor has died; stopping what it left behind");
        down::stop(&stack)?;
    }
    let (secrets, mut written) = write(plan, &members, &supervisor)?;
    let mut started = start(plan, &secrets, &members, &supervisor)?;
    let (second, first): (Vec<_>, Vec<_>) = members.iter().partition(|(_, member)| member.stage == Stage::SecondRegion);
    let mut answers = wait(plan, &secrets, &first)?;
    for part in parts::all() {
        written |= part.settle(plan)?;
    }
    if !second.is_empty() {
        second_region::feed(plan)?;
        started |= bring_up(plan, &secrets, &second, &supervisor)?;
        answers.extend(wait(plan, &secrets, &second)?);
    }
    show::table(plan, &members, &answers)?;
    let seconds = began.elapsed().as_secs_f64();
    show::say(&match (started, written) {
        (true, _) => {
            format!("the stack \"{}\" is up after {seconds:.1} s; `{}` makes it yours", plan.name, sourcing(plan))
        }
        (false, true) => format!("the stack \"{}\" was up already; it is up to date now", plan.name),
        (false, false) => format!("the stack \"{}\" was up already; nothing was changed", plan.name),
    });
    Ok(())
}

/// What a shell is given, to find this stack.
fn sourcing(plan: &Plan) -> String {
    if plan.name == NAME { ". compose/env".to_owned() } else { format!("FLOTILLA_STACK={}; . compose/env", plan.name) }
}

/// Everything that can be known to fail is found before anything is touched.
fn check(plan: &Plan, members: &[(&'static dyn Part, Member)], known: Option<&Stack>) -> Result<()> {
    let mut needs = supervisor::needs();
    needs.extend(parts::all().iter().flat_map(|part| part.needs(plan)));
    preflight::programs(&needs)?;
    preflight::paths(plan)?;
    preflight::clock(plan)?;
    settings::check(plan, clients::topology(plan)?)?;
    second_region::check(plan)?;
    if known.is_none() {
        preflight::disk(&plan.state)?;
    }
    let supervisor = known.map(Stack::supervisor);
    let free = |member: &Member| supervisor.as_ref().is_none_or(|s| s.running().is_none() || !s.is_up(member));
    if supervisor.as_ref().is_some_and(|s| s.running().is_none() && !s.processes().is_empty()) {
        // What a dead supervisor left behind still holds its ports; it is stopped first.
        return Ok(());
    }
    preflight::ports(members.iter().map(|(_, member)| member).filter(|member| free(member)))
}

/// Writes every file that is missing or differs, and notes which running members have to take them;
/// true when anything differed.
fn write(plan: &Plan, members: &[(&'static dyn Part, Member)], supervisor: &Supervisor<'_>) -> Result<(Secrets, bool)> {
    let callers = ["tls", "secrets", "pending"].map(|folder| (folder, Owner::Caller));
    let servers = ["service", "conf", "log"].map(|folder| (folder, Owner::Servers));
    for (folder, owner) in callers.into_iter().chain(servers) {
        files::folder(plan, Path::new(folder), owner, 0o755)?;
    }
    files::folder(plan, &plan.log("supervisor"), Owner::Servers, 0o755)?;
    for folder in ["data", "run"] {
        files::folder(plan, Path::new(folder), Owner::Servers, 0o700)?;
    }
    let secrets = Secrets::prepare(plan)?;
    let mut written = authority::prepare(plan, members)?;
    written |= clients::write(plan, &secrets)?;
    for (part, member) in members {
        for folder in [plan.configuration(&member.name), plan.data(&member.name), plan.run_folder().join(&member.name)]
        {
            files::folder(plan, &folder, Owner::Servers, 0o700)?;
        }
        for file in part.files(plan, &secrets, member)? {
            written |= file.write_for(plan, &member.name)?;
        }
        written |= supervisor.define(member, &part.command(plan, member)?)?;
    }
    Ok((secrets, written))
}

/// Starts what isn't running: first the foundation, and when that answers all the rest but the second
/// region, which waits for the first to have something to follow.
fn start(
    plan: &Plan,
    secrets: &Secrets,
    members: &[(&'static dyn Part, Member)],
    supervisor: &Supervisor<'_>,
) -> Result<bool> {
    let mut changed = false;
    if supervisor.running().is_none() {
        let all: Vec<Member> = members.iter().map(|(_, member)| member.clone()).collect();
        supervisor.start(&all)?;
        changed = true;
    }
    let here = members.iter().filter(|(_, member)| member.stage != Stage::SecondRegion);
    let (first, rest): (Vec<_>, Vec<_>) = here.partition(|(_, member)| member.stage == Stage::Foundation);
    for (stage, wait_for_it) in [(first, true), (rest, false)] {
        changed |= bring_up(plan, secrets, &stage, supervisor)?;
        if changed && wait_for_it {
            wait(plan, secrets, &stage)?;
        }
        for (part, member) in stage.iter().filter(|_| wait_for_it) {
            changed |= part.furnish(plan, secrets, member)?;
        }
    }
    Ok(changed)
}

/// Starts members that are down, and makes the others take the files that have changed.
fn bring_up(
    plan: &Plan,
    secrets: &Secrets,
    members: &[&(&'static dyn Part, Member)],
    supervisor: &Supervisor<'_>,
) -> Result<bool> {
    let started = supervisor.up(&members.iter().map(|(_, member)| member).collect::<Vec<_>>())?;
    Ok(take(plan, secrets, members, supervisor)? || started)
}

/// Makes the members take the files that have changed, one after the other, so that no two of a
/// kind are away at once.
fn take(
    plan: &Plan,
    secrets: &Secrets,
    members: &[&(&'static dyn Part, Member)],
    supervisor: &Supervisor<'_>,
) -> Result<bool> {
    let mut pending = Vec::new();
    for (part, member) in members.iter().copied() {
        let change = change::noted(plan, &member.name)?;
        if change > Change::None {
            let answer = part.probe(plan, secrets, member);
            // A primary last: when it leaves, a replica that is done already takes over.
            pending.push((
                answer.as_ref().is_ok_and(|is| is.starts_with("primary")),
                answer.is_ok(),
                change,
                *part,
                member,
            ));
        }
    }
    pending.sort_by_key(|(primary, ..)| *primary);
    for (_, healthy, change, part, member) in &pending {
        show::say(&format!("  {:<16} has to {} for files that have changed", member.name, change.word()));
        supervisor.take(*part, member, *change)?;
        // One that was ill before may need the others' new files too.
        if *healthy {
            wait(plan, secrets, &[&(*part, (*member).clone())])?;
        }
        change::done(plan, &member.name)?;
    }
    Ok(!pending.is_empty())
}

/// Asks every member until it answers; what each answered, by name.
pub(crate) fn wait(
    plan: &Plan,
    secrets: &Secrets,
    members: &[&(&'static dyn Part, Member)],
) -> Result<BTreeMap<String, String>> {
    let began = Instant::now();
    let asked: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = members
            .iter()
            .map(|(part, member)| scope.spawn(move || (member, until_it_answers(plan, secrets, *part, member, began))))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let mut answers = BTreeMap::new();
    for (member, answer) in asked {
        match answer {
            Ok(answer) => drop(answers.insert(member.name.clone(), answer)),
            Err(why) => {
                let log = plan.log(&member.name);
                return Err(Error::new(Code::Unreachable, format!("\"{}\" does not answer: {why}", member.name))
                    .hint(format!("The end of {}/current:\n{}", log.display(), supervisor::tail(&log, 12))));
            }
        }
    }
    Ok(answers)
}

fn until_it_answers(
    plan: &Plan,
    secrets: &Secrets,
    part: &dyn Part,
    member: &Member,
    began: Instant,
) -> Result<String, String> {
    let mut waited = false;
    let mut pause = *PAUSES.start();
    loop {
        match part.probe(plan, secrets, member) {
            Ok(answer) => {
                if waited {
                    let seconds = began.elapsed().as_secs_f64();
                    show::say(&format!("  {:<16} {answer} ({seconds:.1} s)", member.name));
                }
                return Ok(answer);
            }
            Err(why) if began.elapsed() > LIMIT => return Err(why),
            Err(_) => waited = true,
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(*PAUSES.end());
    }
}
