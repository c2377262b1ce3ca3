//! A bar of bytes on standard error: on a terminal only, and never under `-q`.

use std::io::IsTerminal as _;
use std::time::Duration;

use flotilla::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar whose length is set as soon as it is known, or one that draws nothing.
pub(crate) fn bytes(cx: &Context) -> ProgressBar {
    if cx.output().is_quiet() || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
