//! Wraparound: how old the oldest transaction ids and multixacts are.

use flotilla::config::HealthSettings;
use tokio_postgres::SimpleQueryRow;

use super::super::rows::number;
use crate::check::{Check, Limit};

pub(super) const SQL: &str = "\
SELECT max(age(datfrozenxid)) AS xid, max(mxid_age(datminmxid)) AS multixact, \
 current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age \
FROM pg_database";

const HINT: &str = "VACUUM (FREEZE) the tables that are oldest by age(relfrozenxid); a long transaction, an abandoned \
                    slot or a prepared transaction may hold it up.";

pub(super) fn checks(rows: &[SimpleQueryRow], settings: &HealthSettings) -> Vec<Check> {
    let Some(row) = rows.first() else { return Vec::new() };
    let (xid, most) = (number(row, "xid"), number(row, "freeze_max_age").filter(|most| *most > 0.0));
    let ratio = xid.zip(most).map(|(xid, most)| xid / most);
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    let above = |warn: u64, fail: u64| Limit::above(warn as f64, fail as f64);
    vec![
        Check::number("xid_age", xid, "transactions", above(settings.xid_age_warn, settings.xid_age_fail)).hint(HINT),
        Check::number(
            "multixact_age",
            number(row, "multixact"),
            "multixacts",
            above(settings.multixact_age_warn, settings.multixact_age_fail),
        )
        .hint(HINT),
        Check::number(
            "freeze_ratio",
            ratio,
            "ratio",
            Limit::above(settings.freeze_ratio_warn, settings.freeze_ratio_fail),
        )
        .hint("Autovacuum doesn't keep up with freezing: give it more workers or a higher cost limit."),
    ]
}
