//! Callbacks: the scripts of an event, in the transaction that the event happens in.

use flotilla::error::Result;

use super::{Runner, execute};
use crate::statements;
use flotilla::migrations::scripts::Event;

/// Whether the callbacks of an event are run. Before a connection there is nowhere to run them, verbs that only read
/// can't write, and nothing is cleaned here.
pub(crate) fn are_run(event: Event) -> bool {
    !matches!(
        event,
        Event::BeforeConnect
            | Event::CreateSchema
            | Event::BeforeInfo
            | Event::AfterInfo
            | Event::AfterInfoError
            | Event::AfterInfoOperationFinish
            | Event::AfterValidateOperationFinish
            | Event::AfterBaselineOperationFinish
            | Event::AfterRepairOperationFinish
            | Event::BeforeClean
            | Event::AfterClean
            | Event::AfterCleanError
            | Event::AfterCleanOperationFinish
    )
}

impl Runner {
    /// Runs the scripts of an event.
    pub(crate) async fn callbacks(&self, event: Event) -> Result<()> {
        for script in self.set.on(event) {
            let sql = script.sql(&self.database.placeholders)?;
            for statement in statements::split(&sql) {
                execute::statement(&self.database.session, script, &sql, &statement).await?;
            }
        }
        Ok(())
    }

    /// The same outside a script's transaction: in one of their own, as the owner.
    pub(crate) async fn callbacks_apart(&self, event: Event) -> Result<()> {
        if self.set.on(event).is_empty() {
            return Ok(());
        }
        self.database.transaction(self.limits.lock_timeout, self.callbacks(event)).await
    }

    /// The event that tells how something has ended. What has failed already fails no other way when
    /// its event's script does.
    pub(crate) async fn callbacks_after(&self, done: Event, failed: Event, ended: &Result<()>) -> Result<()> {
        if ended.is_ok() {
            return self.callbacks_apart(done).await;
        }
        self.callbacks_apart(failed).await.unwrap_or_else(|e| tracing::warn!("{}", e.message()));
        Ok(())
    }
}
