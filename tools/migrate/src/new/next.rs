//! The next versions, numbered as those that are there.

use chrono::{NaiveDateTime, TimeDelta};
use flotilla::error::{Error, Result};
use num_bigint::BigUint;

use flotilla::migrations::scripts::{Set, Version};

/// How times are written as versions, and the unit in which the next one follows.
const STAMPS: [(&str, usize, TimeDelta); 2] =
    [("%Y%m%d%H%M%S", 14, TimeDelta::seconds(1)), ("%Y%m%d%H%M", 12, TimeDelta::minutes(1))];

/// That many versions, one after another: from the given one, or behind the greatest that is there.
pub(super) fn versions(set: &Set, given: Option<&Version>, by_time: bool, count: usize) -> Result<Vec<String>> {
    let greatest = set.versioned.keys().chain(set.baselines.keys()).chain(set.undo.keys()).max();
    let mut next = match (given, greatest) {
        (Some(given), _) => given.text().to_owned(),
        (None, None) if by_time => now(0),
        (None, None) => "1".to_owned(),
        (None, Some(greatest)) => {
            let stamp = if by_time { Some(0) } else { stamp_of(greatest.text()).map(|(style, _)| style) };
            match stamp {
                Some(style) => later(&now(style), greatest)?,
                None => after(greatest.text()),
            }
        }
    };
    let mut versions = Vec::with_capacity(count);
    while versions.len() < count {
        let version: Version = next.parse()?;
        if let Some(taken) = [&set.versioned, &set.baselines, &set.undo].into_iter().find_map(|of| of.get(&version)) {
            return Err(Error::usage(format!("version {next} is there already: {}", taken.path.display()))
                .hint("Give another --version, or none for the next one."));
        }
        if given.is_some() && greatest.is_some_and(|greatest| version < *greatest) {
            tracing::warn!("version {next} is older than others that are there; it needs apply --out-of-order");
        }
        let following = after(&next);
        versions.push(std::mem::replace(&mut next, following));
    }
    Ok(versions)
}

/// The time, unless there is a later one already: then the one after that.
fn later(now: &str, greatest: &Version) -> Result<String> {
    if now.parse::<Version>()? > *greatest { Ok(now.to_owned()) } else { Ok(after(greatest.text())) }
}

fn now(style: usize) -> String {
    flotilla::clock::now().format(STAMPS[style].0).to_string()
}

/// The version that follows: a time by the clock, a number by one in as many digits; of several numbers
/// the last is counted.
fn after(text: &str) -> String {
    if let Some((style, time)) = stamp_of(text)
        && let Some(next) = time.checked_add_signed(STAMPS[style].2)
    {
        return next.format(STAMPS[style].0).to_string();
    }
    let (before, last) = text.rsplit_once('.').map_or(("", text), |(before, last)| (before, last));
    let next = last.parse::<BigUint>().unwrap_or_default() + 1_u32;
    let next = format!("{next:0>width$}", next = next.to_string(), width = last.len());
    if before.is_empty() { next } else { format!("{before}.{next}") }
}

fn stamp_of(text: &str) -> Option<(usize, NaiveDateTime)> {
    STAMPS.iter().enumerate().find_map(|(style, (format, length, _))| {
        // A format without seconds would take what has them for another time.
        (text.len() == *length).then(|| NaiveDateTime::parse_from_str(text, format).ok())?.map(|time| (style, time))
    })
}

#[cfg(test)]
mod tests {
    use super::{after, stamp_of};

    #[test]
    fn the_next_version_is_written_as_the_last() {
        for (last, next) in [
            ("7", "8"),
            ("9", "10"),
            ("007", "008"),
            ("099", "100"),
            ("1.4", "1.5"),
            ("2.09", "2.10"),
            ("20261125095959", "20261125100000"),
            ("202612312359", "202701010000"),
            ("20261125", "20261126"),
            ("99999999999999999999", "100000000000000000000"),
        ] {
            assert_eq!(after(last), next);
        }
        assert!(stamp_of("20261399000000").is_none());
    }
}
