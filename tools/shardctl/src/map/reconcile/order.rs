//! In which order shards may swap their fences, so that no bucket is let through on two of them.

use flotilla::error::{Error, Result};
use flotilla::placement::BucketSet;

use super::decide::Decision;
use super::fences::Standing;

/// What swapping one shard's fences changes.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    shard: String,
    /// Buckets that some fence lets through and none will.
    closes: BucketSet,
    /// Buckets that some fence refuses and all will let through.
    opens: BucketSet,
}

/// The shards whose fences must change, with what these lose and gain by it once `revokes` are made.
pub(super) fn shifts(standings: &[Standing], revokes: &[Decision]) -> Vec<Shift> {
    let mut shifts = Vec::new();
    for standing in standings {
        let lost: Vec<_> = revokes.iter().filter(|d| d.shard == standing.shard).collect();
        if lost.is_empty() && standing.due.is_empty() {
            continue;
        }
        let ranges = BucketSet::new(lost.iter().filter_map(|d| d.range));
        let owned = less(&standing.owned, &ranges);
        let each = |change: &dyn Fn(&BucketSet) -> BucketSet| {
            BucketSet::new(standing.allowed.iter().flat_map(|allowed| change(allowed).ranges().to_vec()))
        };
        shifts.push(Shift {
            shard: standing.shard.clone(),
            closes: each(&|allowed| less(allowed, &owned)),
            opens: each(&|allowed| less(&owned, allowed)),
        });
    }
    shifts
}

fn less(all: &BucketSet, taken: &BucketSet) -> BucketSet {
    all.iter().filter(|bucket| !taken.contains(*bucket)).collect()
}

/// The order: a shard opens a bucket only after every other has closed it.
pub(super) fn of(mut waiting: Vec<Shift>) -> Result<Vec<String>> {
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let clear = |shift: &Shift| {
            waiting.iter().filter(|other| other.shard != shift.shard).all(|o| o.closes.overlap(&shift.opens).is_empty())
        };
        let Some(at) = waiting.iter().position(clear) else {
            let shards: Vec<&str> = waiting.iter().map(|shift| shift.shard.as_str()).collect();
            return Err(Error::refused(format!(
                "the fences of shards {} let each other's buckets through; nothing was touched",
                shards.join(" and ")
            ))
            .hint("Revoke with flotilla.set_ownership(first, last, 'none', epoch) what each must not take, swap the fences, and run this again."));
        };
        order.push(waiting.remove(at).shard);
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use flotilla::placement::{BucketRange, Buckets};

    use super::{BucketSet, Shift, of};

    fn shift(shard: &str, closes: &str, opens: &str) -> Shift {
        let buckets = Buckets::new(64).expect("a power of two");
        let set = |text: &str| BucketSet::new(BucketRange::parse(text, buckets));
        Shift { shard: shard.to_owned(), closes: set(closes), opens: set(opens) }
    }

    #[test]
    fn a_shard_opens_what_every_other_has_closed() {
        let order = of(vec![shift("s0", "", "8-15"), shift("s1", "0-11", "20-21"), shift("s2", "20", "1")]);
        assert!(order.is_err(), "s1 waits for s2, and s2 for s1");
        let order = of(vec![shift("s0", "", "8-15"), shift("s1", "0-11", "20-21"), shift("s2", "20", "30")]);
        assert_eq!(order.expect("an order"), ["s2", "s1", "s0"]);
    }

    #[test]
    fn a_shard_does_not_wait_for_itself() {
        assert_eq!(of(vec![shift("s0", "1-2", "2-3")]).expect("an order"), ["s0"]);
    }
}
