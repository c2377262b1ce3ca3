//! A run that is killed at any step leaves the old file or the new one in force, and the next completes it.

use super::{pooler, with};

#[test]
fn wherever_apply_is_killed_the_next_run_completes_it() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let mut size = 30;
    for place in ["apply-saved", "apply-written", "apply-reloaded", "apply-verified"] {
        let old = pooling.running("default_pool_size");
        size += 1;
        let new = size.to_string();
        let file = pooling.fleet.file("new.ini", with(&good, "default_pool_size", &new)).display().to_string();
        let args = ["apply", "-t", "pool-a", "--file", &file];
        let killed = pooling.fleet.tool("poolcfg", args).env("FLOTILLA_FAILPOINT", place).run();
        assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
        let running = pooling.running("default_pool_size");
        assert!(running == old || running == new, "{place}: {running} is neither {old} nor {new}");
        assert_eq!(pooling.running("pool_mode"), "transaction", "{place}");
        let line = pooling.fleet.tool("poolcfg", args).run().ok().line("pool-a");
        assert_eq!(
            (line["resumed"].as_bool(), pooling.running("default_pool_size")),
            (Some(true), new),
            "{place}: {line}"
        );
        let line = pooling.fleet.tool("poolcfg", args).run().ok().line("pool-a");
        assert_eq!(line["changed"], false, "{place}: {line}");
    }
}

/// Killed while it takes a bad file back: the next run, with a good one, ends well all the same.
#[test]
fn a_restoration_that_was_cut_off_is_made_up_for() {
    let pooling = pooler("");
    let good = pooling.rendered();
    let bad = format!("{good}; flotilla-ignore bad-value to be taken back\nserver_lifetime = 1h\n");
    let bad = pooling.fleet.file("bad.ini", bad).display().to_string();
    for place in ["apply-reloaded", "apply-restored"] {
        let args = ["apply", "-t", "pool-a", "--file", &bad, "--no-trial"];
        let killed = pooling.fleet.tool("poolcfg", args).env("FLOTILLA_FAILPOINT", place).run();
        assert_eq!(killed.signal(), Some(9), "{}", killed.transcript());
        // The bad file again: what was good before the first of them is what comes back.
        let again = pooling.fleet.tool("poolcfg", args).run().code_is(1);
        assert_eq!(again.line("pool-a")["restored"], true, "{}", again.transcript());
        assert_eq!(
            (pooling.running("pool_mode"), pooling.running("server_lifetime")),
            ("transaction".into(), "3600".into())
        );
        assert_eq!(std::fs::read_to_string(pooling.pooler_file()).unwrap(), good);
    }
    pooling.fleet.tool("poolcfg", ["apply", "-t", "pool-a"]).run().ok();
}
