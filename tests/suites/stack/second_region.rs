//! The first region dies with everything in it, and the second takes over by the runbook's own lines.

use std::collections::BTreeSet;

use flotilla_tests::{Outcome, Run, Runbook, Running, Sandbox, until};

use super::{PATIENCE, Stack, alone};

/// What the stack's topology says may be lost, in seconds.
const RPO: f64 = 60.0;
const SHARDS: [&str; 2] = ["s0", "s1"];

#[test]
#[ignore = "takes six minutes, on demand: tests/run --run-ignored only -E 'test(second_region)'"]
fn the_second_region_takes_over_and_lacks_no_more_than_it_may() {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "regions", 17000);
    let page = Runbook::read("promote-second-region.md");
    stack.up().ok();
    stack.mine("shardctl init --all").run().ok();
    let keys = tables(&stack);
    let writers: Vec<Writer> =
        SHARDS.into_iter().zip(keys).map(|(shard, key)| Writer::start(&stack, shard, key)).collect();
    the_stack_grows_while_it_is_written_to(&stack);
    wait_for_writes_that_must_not_be_lost(&stack, &writers);
    // Any moment will do, as long as nothing was wrong before.
    until("both standby clusters are well", || {
        let said = follow(&stack, &page, "Every day").stdout;
        SHARDS.iter().all(|shard| said.contains(&format!("[\"{shard}\",\"{shard}-west\",\"ok\""))).then_some(())
    });

    let dead = region_one(&stack);
    stack.mine(&format!("stack kill {}", dead.join(" "))).run_within(PATIENCE).ok();
    let ledgers: Vec<Ledger> = writers.into_iter().map(Writer::end).collect();

    let decide = follow(&stack, &page, "1. Decide");
    assert_eq!(decide.stdout.lines().count(), SHARDS.len(), "{}", decide.transcript());
    let fenced = follow(&stack, &page, "2. Fence the first region");
    assert_eq!(fenced.stdout.matches("\"error\",\"unreachable\"]").count(), 6, "{}", fenced.transcript());
    follow(&stack, &page, "3. Take what can still be had");
    let promoted = follow(&stack, &page, "4. Promote");
    for shard in SHARDS {
        let line = format!("[\"{shard}-west-a\",\"ok\",\"{shard}\"]");
        assert!(promoted.stdout.contains(&line), "{}", promoted.transcript());
    }
    stack.up().code_is(3).no_lines().says("has been promoted; the first region would lead as well");
    is_closed(&stack);
    let settled = follow(&stack, &page, "5. Settle who owns what");
    assert_eq!(settled.stdout.matches("\"finding\":null").count(), 2, "{}", settled.transcript());
    is_closed(&stack);
    follow(&stack, &page, "6. Open it to applications");
    for (at, shard) in SHARDS.into_iter().enumerate() {
        takes_its_own_writes_alone(&stack, shard, ledgers[at].key, ledgers[1 - at].key);
        compare(&stack, shard, &ledgers[at]);
    }
    let archived = follow(&stack, &page, "7. Archive");
    // Of the timeline that began with the promotion.
    assert_eq!(archived.stdout.matches("\"ok\",\"base_00000002").count(), 2, "{}", archived.transcript());
    let rebuilt = follow(&stack, &page, "8. Rebuild the first region");
    // Copied back twice, and following.
    assert_eq!(rebuilt.stdout.matches("\"ok\"").count(), 6, "{}", rebuilt.transcript());
    assert_eq!(rebuilt.stdout.matches("-east\",\"ok\",null]").count(), 2, "{}", rebuilt.transcript());
    let all = ["Names", "Every day", "1. ", "2. ", "3. ", "4. ", "5. ", "6. ", "7. ", "8. "];
    let run = |title: &&str| all.iter().any(|known| title.starts_with(known));
    assert!(page.titles().iter().all(run), "every section with commands was run: {:?}", page.titles());
}

/// Runs the commands of a section, behind those that set its names.
fn follow(stack: &Stack<'_>, page: &Runbook, title: &str) -> Outcome {
    stack.shell(&format!("{}{}", page.section("Names"), page.section(title))).run_within(PATIENCE).ok()
}

/// A sharded table, and for each shard a key that it owns.
fn tables(stack: &Stack<'_>) -> [u64; 2] {
    let table = "CREATE TABLE written (user_id bigint, n bigint, at timestamptz NOT NULL DEFAULT clock_timestamp(), \
                 PRIMARY KEY (user_id, n))";
    // A replica that hasn't replayed the roles yet refuses the login, and psql too would ask no other node then.
    until("every node knows the roles", || {
        let asked = stack.mine(r#"shardctl sql --all --as migrator "SELECT 1""#).run();
        (asked.code() == Some(0)).then_some(())
    });
    for sql in [table, "SELECT flotilla.protect('written', 'user_id')"] {
        stack.mine(r#"shardctl sql --all --as migrator "$SQL""#).env("SQL", sql).run().ok();
    }
    SHARDS.map(|shard| {
        let line = format!("seq 20 | shardctl route --by key | jq -r 'select(.target == \"{shard}\").input' | head -1");
        stack.mine(&line).run().ok().stdout.trim().parse().expect("a key")
    })
}

/// One client of a shard, on the way that applications take, and what was acknowledged to it.
struct Writer {
    running: Running,
    key: u64,
}

/// Numbers that were acknowledged, with the second at which each was written.
struct Ledger {
    key: u64,
    acknowledged: Vec<(u64, f64)>,
}

impl Writer {
    fn start(stack: &Stack<'_>, shard: &str, key: u64) -> Self {
        let insert = format!(
            "INSERT INTO written (user_id, n) VALUES ({key}, $n) RETURNING n || ' ' || extract(epoch FROM at);"
        );
        let line = format!(
            "n=0; while n=$((n + 1)); do echo \"{insert}\"; sleep 0.1; done | stdbuf -oL psql -XAtq service={shard}-rw"
        );
        Self { running: stack.mine(&line).start(), key }
    }

    fn acknowledged(&self) -> Vec<(u64, f64)> {
        let text = self.running.stdout_so_far();
        // The last line may not be whole yet.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| line.split_once(' ').expect("number and time")).map(pair).collect()
    }

    /// What was acknowledged until the server died.
    fn end(self) -> Ledger {
        let acknowledged = |text: &str| text.lines().filter_map(|line| line.split_once(' ')).map(pair).collect();
        let key = self.key;
        Ledger { key, acknowledged: acknowledged(&self.running.finish().stdout) }
    }
}

fn pair((n, at): (&str, &str)) -> (u64, f64) {
    (n.parse().expect("a number"), at.parse().expect("a time"))
}

/// What runs stays: a second region is added to it. Nobody takes its servers for the shards' own.
fn the_stack_grows_while_it_is_written_to(stack: &Stack<'_>) {
    let before = stack.processes();
    let up = format!("compose/up --name {} --second-region", stack.name);
    let up = stack.shell(&up).run_within(PATIENCE).ok();
    assert!(up.stdout.contains("follows the archive"), "{}", up.transcript());
    let after = stack.processes();
    assert!(before.iter().all(|(name, process)| after.get(name) == Some(process)), "{}", up.transcript());
    stack.up().ok().says("nothing was changed");
    let targets = stack.mine("shardctl targets").run().ok();
    assert!(!targets.stdout.contains("west"), "{}", targets.transcript());
    let map = stack.mine("shardctl map -o json").run().ok();
    assert!(!map.stdout.contains("west"), "{}", map.transcript());
    stack.mine("shardctl sql -t s0-west-a --as admin 'SELECT 1'").run().code_is(2).no_lines().says("is no target");
    // By the topology of its region it is the shard's only server, and doesn't lead.
    let init = stack.mine("shardctl init --all --config ${FLOTILLA_CONFIG%.toml}-west.toml").run();
    assert!(matches!(init.code(), Some(1 | 75)), "{}", init.transcript());
}

/// Until writes are old enough that they may not be lost, and each standby cluster has some.
fn wait_for_writes_that_must_not_be_lost(stack: &Stack<'_>, writers: &[Writer]) {
    for (shard, writer) in SHARDS.into_iter().zip(writers) {
        until("writes arrive in the second region", || {
            let count =
                stack.mine(&format!("psql -XAtq service={shard}-west-a -c 'SELECT count(*) FROM written'")).run();
            count.stdout.trim().parse::<u64>().is_ok_and(|count| count > 0).then_some(())
        });
        until("writes are older than what may be lost", || {
            let acknowledged = writer.acknowledged();
            let (first, last) = (acknowledged.first()?.1, acknowledged.last()?.1);
            (last - first > RPO + 5.0).then_some(())
        });
    }
}

/// Every member that isn't the second region's.
fn region_one(stack: &Stack<'_>) -> Vec<String> {
    let status = stack.mine("stack status").run().ok();
    let names = status.stdout.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    let first: Vec<String> =
        names.filter(|name| !name.contains("west") && *name != "region2").map(str::to_owned).collect();
    assert_eq!(first.len(), 34, "{}", status.transcript());
    first
}

fn write(stack: &Stack<'_>, shard: &str, key: u64) -> Run {
    let sql = format!("INSERT INTO written (user_id, n) VALUES ({key}, 0) ON CONFLICT DO NOTHING");
    stack.mine(&format!("psql -Xq -d 'service={shard}-west user=app' -c '{sql}'"))
}

/// No application gets in, however it is asked.
fn is_closed(stack: &Stack<'_>) {
    for shard in SHARDS {
        write(stack, shard, 1).run().code_is(2).says("no pg_hba.conf entry");
    }
}

/// The fences came along: a key of the other shard is refused.
fn takes_its_own_writes_alone(stack: &Stack<'_>, shard: &str, own: u64, foreign: u64) {
    until("the promoted shard takes writes", || (write(stack, shard, own).run().code() == Some(0)).then_some(()));
    write(stack, shard, foreign).run().code_is(1).says("does not own");
}

/// Every acknowledged write that is older than what may be lost is there, and those that are there are all up to one
/// moment.
#[expect(clippy::print_stdout, reason = "says what was measured")]
fn compare(stack: &Stack<'_>, shard: &str, ledger: &Ledger) {
    let sql = format!("SELECT n FROM written WHERE user_id = {} AND n > 0", ledger.key);
    let rows = stack.mine(&format!("psql -XAtq service={shard}-west -c '{sql}'")).run().ok();
    let present: BTreeSet<u64> = rows.stdout.lines().map(|n| n.parse().expect("a number")).collect();
    let (newest, disaster) = *ledger.acknowledged.last().expect("acknowledged writes");
    let lost: Vec<(u64, f64)> = ledger.acknowledged.iter().copied().filter(|(n, _)| !present.contains(n)).collect();
    let measured = lost.first().map_or(0.0, |(_, at)| disaster - at);
    println!(
        "{shard}: {} of {newest} acknowledged writes lost, the first {measured:.1} s before the disaster; {RPO} s may be lost",
        lost.len()
    );
    assert!(measured <= RPO, "{shard} lacks the acknowledged writes of {measured} s");
    let end = present.last().copied().unwrap_or(0);
    assert!((1..=end).all(|n| present.contains(&n)), "{shard}: what is there has a hole");
}
