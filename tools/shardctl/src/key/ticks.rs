//! Ticks: what a shard's clock hands out, and what ids are made of.

use flotilla::Context;
use flotilla::error::{Error, Result};
use flotilla::placement::{IdLayout, Tick};
use flotilla::reach;

/// How many ticks are taken at once where many are needed: 65,536 push a shard's clock 16 ms ahead
/// with 1024 buckets.
const RUN: u32 = 1 << 16;

/// Ticks of one shard, taken in runs.
#[derive(Default)]
pub(crate) struct Ticks {
    first: Option<Tick>,
    used: u32,
}

impl Ticks {
    /// The next tick.
    pub(crate) async fn next(&mut self, cx: &Context, shard: &str) -> Result<Tick> {
        let first = match self.first {
            Some(first) if self.used < RUN => first,
            _ => {
                let first = reserve(cx, shard, RUN).await?;
                (self.first, self.used) = (Some(first), 0);
                first
            }
        };
        self.used += 1;
        Ok(first.after(self.used - 1))
    }
}

/// Reserves `n` ticks on a shard; returns the first.
pub(super) async fn reserve(cx: &Context, shard: &str, n: u32) -> Result<Tick> {
    let config = cx.config()?;
    let session = cx.connect(reach::writer(config, config.shard(shard)?, &config.users.app)?).await?;
    let sql = format!("SELECT flotilla.reserve_ticks({n})");
    let first = cx.guarded(session.canceller(), session.value(&sql)).await?;
    let first = first.and_then(|text| text.parse().ok());
    let first = first.ok_or_else(|| Error::internal("flotilla.reserve_ticks returned no number"))?;
    IdLayout::new(config.cluster.buckets).tick(first)
}
