//! Running on the shard that owns a key. The map is a hint: when the fence says that it is stale,
//! it is read again and the statement is run once more, on the owner.

use flotilla::Context;
use flotilla::error::{Code, Result};
use flotilla::ownership::for_routing;
use flotilla::target;

use super::Args;
use super::run::{Work, one};
use super::source::Source;

/// Runs the statement on the key's owner.
pub(super) async fn run(cx: &Context, key: &str, args: &Args, source: Source) -> Result<()> {
    let key = cx.config()?.cluster.key_type.parse(key)?;
    let map = for_routing(cx).await?;
    let shard = map.owner_name(key.bucket(map.buckets()))?.to_owned();
    let work = Work {
        source,
        params: args.values(),
        role: args.role,
        read_only: args.read_only(),
        max_lag: args.max_lag,
        epoch: Some(map.epoch()),
    };
    let targets = target::named(cx.config()?, &[shard])?;
    cx.each(targets, move |target, cx| {
        let (work, key) = (work.clone(), key.clone());
        async move {
            match one(&cx, &target, &work).await {
                // The fence refuses before anything is written, so running again repeats nothing.
                Err(error) if error.code() == Code::NotOwner => {
                    let map = for_routing(&cx).await?;
                    let shard = map.owner_name(key.bucket(map.buckets()))?.to_owned();
                    let moved = target::named(cx.config()?, &[shard])?.remove(0);
                    one(&cx, &moved, &Work { epoch: Some(map.epoch()), ..work }).await
                }
                done => done,
            }
        }
    })
    .await
}
