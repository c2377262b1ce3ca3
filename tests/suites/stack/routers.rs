//! The routers for applications, on the way that applications take: poolers, balancers, TLS.

use std::path::Path;

use crate::clients::{compiled, routers_live_tests};

use super::Stack;

pub(super) fn both_routers_work_through_the_poolers(stack: &Stack<'_>) {
    for sql in [
        "CREATE TABLE router_probe (user_id bigint PRIMARY KEY, note text)",
        "SELECT flotilla.protect('router_probe', 'user_id')",
    ] {
        stack.mine(r#"shardctl sql --all --as migrator "$SQL""#).env("SQL", sql).run().ok();
    }
    // Past the first epoch, so that there is a lower one to be stale with.
    for shard in ["s0", "s1"] {
        stack.mine(&format!("psql -Xq service={shard} -c 'SELECT flotilla.advance_epoch(7)'")).run().ok();
    }
    let map = stack.sandbox.path().join("map.json").display().to_string();
    stack.mine(&format!("shardctl map --export={map}")).run().ok().no_lines();
    let port = format!("\"port\":{}", stack.base_port + 632);
    let text = std::fs::read_to_string(&map).unwrap().replace(' ', "");
    assert_eq!(text.matches(&port).count(), 8, "every way leads through a pooler: {text}");
    compiled();
    routers_live_tests(&map, |program, args, folder: &Path| {
        let line = format!("cd '{}'; exec {program} {}", folder.display(), args.join(" "));
        stack.mine(&line).env("PGSSLMODE", "verify-full")
    });
    for shard in ["s0", "s1"] {
        let left = stack.mine(&format!("psql -XAtq service={shard} -c 'SELECT count(*) FROM router_probe'")).run().ok();
        assert_eq!(left.stdout, "0\n", "the tests clean up");
    }
}
