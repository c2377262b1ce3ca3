//! What the reading verbs share: one target's history and scripts, seen in one snapshot.

use flotilla::Context;
use flotilla::error::Result;
use flotilla::target::Target;

use crate::database::Database;
use crate::settings::Settings;
use flotilla::migrations::schema_history::Row;

/// Reads one target's history; the database stays connected, and can't be written.
pub(crate) async fn read(cx: &Context, target: &Target, settings: &Settings) -> Result<(Database, Option<Vec<Row>>)> {
    let database = Database::reader(cx, target, settings).await?;
    let rows = cx.guarded(database.session.canceller(), database.rows()).await?;
    Ok((database, rows))
}
