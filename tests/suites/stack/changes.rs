//! A stack that runs: members that die come back, members whose files change take them.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use flotilla_native::process::Identity;
use flotilla_tests::{Sandbox, until};
use rcgen::{CertificateParams, Issuer, KeyPair};

use super::{Stack, alone, kill, routers, shells};

#[test]
fn a_running_stack_heals_takes_what_changed_and_serves_every_client() {
    let _alone = alone();
    let sandbox = Sandbox::on_disk();
    let stack = Stack::new(&sandbox, "running", 17000);
    stack.up().ok();
    stack.mine("shardctl init --all").run().ok();
    shells::every_shell_finds_the_way(&stack);
    settings_reach_the_poolers_alone(&stack);
    broken_settings_touch_nothing(&stack);
    certificates_are_renewed_in_time(&stack);
    routers::both_routers_work_through_the_poolers(&stack);
    killed_members_come_back(&stack);
}

/// Those whose process is another one now.
fn restarted(before: &BTreeMap<String, Identity>, after: &BTreeMap<String, Identity>) -> Vec<String> {
    before.iter().filter(|(name, process)| after.get(*name) != Some(process)).map(|(name, _)| name.clone()).collect()
}

fn pool_size(stack: &Stack<'_>, pooler: &str) -> String {
    let line = format!("psql -XAtq service={pooler} -c 'show config' | grep ^default_pool_size | cut -d'|' -f2");
    stack.mine(&line).run().ok().stdout.trim().to_owned()
}

fn settings_reach_the_poolers_alone(stack: &Stack<'_>) {
    let before = stack.processes();
    assert_eq!(pool_size(stack, "pool-a"), "25");
    fs::write(stack.state().join("local.toml"), "[pgbouncer]\ndefault_pool_size = 40\n").unwrap();
    let up = stack.up().ok().says("pool-a           has to reload").says("pool-b           has to reload");
    assert!(!up.stderr.contains("has to restart"), "{}", up.transcript());
    for pooler in ["pool-a", "pool-b"] {
        until("the pooler takes it", || (pool_size(stack, pooler) == "40").then_some(()));
    }
    assert_eq!(restarted(&before, &stack.processes()), Vec::<String>::new());
    stack.up().ok().says("nothing was changed");

    // A file that somebody has changed by hand is put right, and its member with it.
    let rules = stack.state().join("conf/cache/users.acl");
    let text = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("{text}user intruder on nopass ~* &* +@all\n")).unwrap();
    stack.up().ok().says("cache            has to restart");
    assert_eq!(fs::read_to_string(&rules).unwrap(), text);
    assert_eq!(restarted(&before, &stack.processes()), ["cache", "cache logger"]);
    fs::remove_file(stack.state().join("local.toml")).unwrap();
    stack.up().ok().says("pool-a           has to reload");
    until("the pooler takes it back", || (pool_size(stack, "pool-a") == "25").then_some(()));
}

fn broken_settings_touch_nothing(stack: &Stack<'_>) {
    let (processes, files) = (stack.processes(), stack.written());
    for (text, says) in [
        ("[pgbouncer]\ndefault_pool_sizes = 40\n", "unknown field `default_pool_sizes`"),
        ("[cluster]\nname = \"other\"\n", "\"cluster\" can't be set here"),
        ("[pgbouncer\n", "not TOML"),
    ] {
        fs::write(stack.state().join("local.toml"), text).unwrap();
        stack.up().code_is(2).no_lines().says("local.toml").says(says);
        fs::remove_file(stack.state().join("local.toml")).unwrap();
        assert_eq!((stack.processes(), stack.written()), (processes.clone(), files.clone()), "{text}");
    }
}

/// Three certificates end in ten days: of a pooler and of a node, which reload, and of the cache, which
/// has to restart. A fourth has lost its key, as by a run that was killed between the two files.
fn certificates_are_renewed_in_time(stack: &Stack<'_>) {
    let replica = stack.mine("shardctl targets --role replica --shard s1 | jq -r .target | head -1").run().ok();
    let replica = replica.stdout.trim();
    for name in ["pool-a", "cache", replica] {
        let lines = age(stack, name);
        // Now it is what the server shows.
        assert!(!lines.is_empty());
    }
    fs::write(stack.state().join("tls/lb-b.key"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let before = stack.processes();
    let up = stack.up().ok().says("renewing the certificate of \"pool-a\", which ends on 20");
    let up =
        up.says("renewing the certificate of \"cache\"").says(&format!("renewing the certificate of \"{replica}\""));
    let up = up.says("renewing the certificate of \"lb-b\", which doesn't fit its key");
    assert_eq!(up.stderr.matches("renewing").count(), 4, "{}", up.transcript());
    assert_eq!(up.stderr.matches("has to").count(), 3, "{}", up.transcript());
    assert_eq!(restarted(&before, &stack.processes()), ["cache", "cache logger"]);
    let addresses = [("pool-a", "127.0.0.31", 632, "-starttls postgres"), ("cache", "127.0.0.51", 979, "")];
    let last = match replica.strip_prefix("s1-") {
        Some("a") => "127.0.0.21",
        Some("b") => "127.0.0.22",
        _ => "127.0.0.23",
    };
    for (name, address, offset, how) in addresses.into_iter().chain([(replica, last, 432, "-starttls postgres")]) {
        let shown = format!(
            "openssl s_client -connect {address}:{} {how} 2> /dev/null | openssl x509 -noout -serial -enddate",
            stack.base_port + offset
        );
        let file = format!("openssl x509 -noout -serial -enddate -in {}/tls/{name}.crt", stack.state().display());
        let file = stack.shell(&file).run().ok().stdout;
        until("the server shows the new certificate", || (stack.shell(&shown).run().stdout == file).then_some(()));
    }
    stack.up().ok().says("nothing was changed");
}

/// Puts a certificate in place that ends in ten days, by the stack's own authority.
fn age(stack: &Stack<'_>, name: &str) -> String {
    let tls = stack.state().join("tls");
    let read = |file: &str| fs::read_to_string(tls.join(file)).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), KeyPair::from_pem(&read("ca.key")).unwrap()).unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = (SystemTime::now() - Duration::from_hours(1)).into();
    params.not_after = (SystemTime::now() + Duration::from_hours(240)).into();
    let certificate = params.signed_by(&KeyPair::from_pem(&read(&format!("{name}.key"))).unwrap(), &issuer).unwrap();
    fs::write(tls.join(format!("{name}.crt")), certificate.pem()).unwrap();
    certificate.pem()
}

fn killed_members_come_back(stack: &Stack<'_>) {
    let before = stack.processes();
    let replica = stack.mine("shardctl targets --role replica --shard s0 | jq -r .target").run().ok();
    let replicas: Vec<&str> = replica.stdout.lines().collect();
    // The one by its PostgreSQL, the other by its Patroni.
    let postmaster = format!("{} postmaster", replicas[0]);
    let victims = ["etcd-a", "cache", "sentinel-b", "pool-a", "lb-a", replicas[1], &postmaster];
    for name in victims {
        kill(stack.process(name));
    }
    until("all come back", || {
        let now = stack.processes();
        let back = victims.iter().all(|name| now.get(*name).is_some_and(|process| *process != before[*name]));
        (back && stack.mine("stack status").run().code() == Some(0)).then_some(())
    });
    let changed = restarted(&before, &stack.processes());
    assert!(changed.iter().all(|name| victims.contains(&name.as_str()) || name.ends_with("postmaster")), "{changed:?}");
}
