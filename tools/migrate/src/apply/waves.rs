//! Waves: a few shards first, the rest when those have proven themselves.
//!
//! `1,50%,100%` says how many of the run's shards are done after each wave. Shards that have nothing
//! pending count as done and come first, so a run that was stopped goes on with exactly the shards that
//! are left.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use flotilla::error::{Code, Error, Result};
use flotilla::fanout;
use flotilla::record::Line;
use flotilla::target::Target;
use flotilla::{Context, log};

use super::gates::Gates;
use super::shard;
use super::{ApplyResult, Order};

/// How many shards are done after each wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waves(Vec<Size>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Count(usize),
    Percent(usize),
}

impl Waves {
    /// Where each wave ends among this many shards; the last ends at the end.
    fn ends(&self, total: usize) -> Vec<usize> {
        let mut ends: Vec<usize> = Vec::new();
        for size in &self.0 {
            let end = match size {
                Size::Count(count) => (*count).min(total),
                // At least one more than none.
                Size::Percent(percent) => (total * percent).div_ceil(100),
            };
            if ends.last().is_none_or(|last| end > *last) {
                ends.push(end);
            }
        }
        if ends.last() != Some(&total) {
            ends.push(total);
        }
        ends
    }
}

impl FromStr for Waves {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::usage(format!("invalid waves: \"{text}\""))
                .hint("Write growing numbers or percentages of shards, such as 1,50%,100%.")
        };
        let size = |part: &str| {
            let size = match part.strip_suffix('%') {
                Some(percent) => Size::Percent(percent.parse().ok().filter(|p| (1..=100).contains(p))?),
                None => Size::Count(part.parse().ok().filter(|count| *count > 0)?),
            };
            Some(size)
        };
        let sizes = text.split(',').map(|part| size(part.trim()).ok_or_else(malformed)).collect::<Result<Vec<_>>>()?;
        let grows = sizes.windows(2).all(|pair| match (pair[0], pair[1]) {
            (Size::Count(a), Size::Count(b)) | (Size::Percent(a), Size::Percent(b)) => a < b,
            _ => true,
        });
        if grows { Ok(Self(sizes)) } else { Err(malformed()) }
    }
}

/// Runs all waves. What a stopped run leaves undone is said to be skipped.
pub(super) async fn run(cx: &Context, targets: Vec<Target>, waves: &Waves, gates: &Gates, order: Order) -> Result<()> {
    let order = Arc::new(order);
    let ends = waves.ends(targets.len());
    let mut targets = if ends.len() > 1 { done_first(cx, targets, &order).await } else { targets };
    let mut from = 0;
    for (at, end) in ends.iter().enumerate() {
        let wave: Vec<Target> = targets.drain(..end - from).collect();
        from = *end;
        let mut ended = gates.open(cx, &wave).await;
        if ended.is_ok() {
            if ends.len() > 1 && !cx.global().quiet {
                let names: Vec<&str> = wave.iter().map(|target| target.name.as_str()).collect();
                log::say(&format!("{}: wave {} of {}: {}", cx.tool(), at + 1, ends.len(), names.join(" ")));
            }
            ended = apply(cx, wave.clone(), at + 1, &order).await;
            if ended.is_ok() && !targets.is_empty() {
                ended = gates.passed(cx, &wave).await;
            }
        } else {
            targets.splice(0..0, wave);
        }
        if let Err(error) = ended {
            for target in &targets {
                let error = Error::new(Code::UpstreamFailed, format!("not begun: {}", error.message()))
                    .hint("Mend what stopped the run, then give the same command again: it goes on with the shards that are left.");
                cx.output().line(&Line::<ApplyResult>::failed(Some(target.name.clone()), &error, Duration::ZERO))?;
            }
            return Err(error);
        }
    }
    Ok(())
}

async fn apply(cx: &Context, wave: Vec<Target>, number: usize, order: &Arc<Order>) -> Result<()> {
    let order = Arc::clone(order);
    cx.each(wave, move |target, cx| {
        let order = Arc::clone(&order);
        async move { shard::apply(&cx, &target, number, &order).await }
    })
    .await
}

/// The same targets, those with nothing to do in front.
async fn done_first(cx: &Context, targets: Vec<Target>, order: &Arc<Order>) -> Vec<Target> {
    let asked = fanout::ask(cx, targets, |target, cx| {
        let order = Arc::clone(order);
        async move {
            let pending = shard::is_pending(&cx, &target, &order).await;
            (pending, target)
        }
    });
    let mut known = asked.await;
    known.sort_by_key(|(pending, _)| *pending);
    known.into_iter().map(|(_, target)| target).collect()
}

#[cfg(test)]
mod tests {
    use super::Waves;

    #[test]
    fn waves_end_where_they_say() {
        let ends = |text: &str, total| text.parse::<Waves>().expect("waves").ends(total);
        assert_eq!(ends("1,50%,100%", 16), [1, 8, 16]);
        assert_eq!(ends("1,50%,100%", 2), [1, 2]);
        assert_eq!(ends("1,50%", 1), [1]);
        assert_eq!(ends("2,4", 7), [2, 4, 7]);
        assert_eq!(ends("10%,100%", 3), [1, 3]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in ["", "0", "5,3", "101%", "50%,10%", "1;2", "a", "-1"] {
            assert!(bad.parse::<Waves>().is_err(), "{bad}");
        }
    }
}
