//! Every rule against files that it must find fault with and files that it must let pass.
//!
//! `tests/check/<rule>/fail` and `…/pass` are folders of files that are looked at together; a
//! `flotilla.toml` among them is the topology, `settings` what flags would say.

#![expect(clippy::unwrap_used, reason = "a test ends where it can't go on")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use flotilla::config::Config;
use poolcfg::check::{self, Finding, Settings};
use poolcfg::version::{Version, Versions};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

fn settings(folder: &Path) -> Settings {
    let mut settings = Settings {
        // The same on every machine, whatever is installed.
        versions: Versions { pgbouncer: Some(Version::new(1, 18)), haproxy: Some(Version::new(2, 6)) },
        ..Settings::default()
    };
    for line in fs::read_to_string(folder.join("settings")).unwrap_or_default().lines() {
        let (key, value) = line.split_once('=').unwrap();
        match key {
            "rto" => settings.rto_seconds = Some(value.parse().unwrap()),
            "max_connections" => settings.max_connections = Some(value.parse().unwrap()),
            "pgbouncer" => settings.versions.pgbouncer = Version::parse(value),
            other => panic!("{}: {other}", folder.display()),
        }
    }
    settings
}

fn findings(rule: &str, side: &str) -> Vec<Finding> {
    let folder = cases().join(rule).join(side);
    let topology = folder.join("flotilla.toml");
    let config = topology.exists().then(|| {
        Config::parse(&fs::read_to_string(&topology).unwrap(), &topology).unwrap_or_else(|e| panic!("{rule}: {e:?}"))
    });
    let files = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        !matches!(name, "flotilla.toml" | "settings") && path.extension().is_none_or(|extension| extension != "txt")
    });
    files.sort();
    let mut found =
        check::check(&files, config.as_ref(), &settings(&folder)).unwrap_or_else(|e| panic!("{rule}: {e:?}"));
    for finding in &mut found {
        finding.file = PathBuf::from(finding.file.file_name().unwrap());
    }
    found
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |mut text, f| {
        writeln!(text, "  {}:{} {:?} {}: {}", f.file.display(), f.line, f.severity, f.rule, f.message).unwrap();
        text
    })
}

#[test]
fn every_rule_finds_what_it_should_and_nothing_else() {
    let (mut text, mut wrong) = (String::new(), String::new());
    for rule in check::all_rules() {
        let (fail, pass) = (findings(rule.name, "fail"), findings(rule.name, "pass"));
        let found = |findings: &[Finding]| findings.iter().any(|f| f.rule == rule.name);
        if !found(&fail) || found(&pass) {
            writeln!(wrong, "{}\n fail\n{} pass\n{}", rule.name, shown(&fail), shown(&pass)).unwrap();
        }
        for finding in fail.iter().filter(|f| f.rule == rule.name) {
            assert!(!finding.hint.is_empty() && !finding.message.ends_with('.'), "{finding:?}");
        }
        write!(text, "{}\n fail\n{} pass\n{}", rule.name, shown(&fail), shown(&pass)).unwrap();
    }
    assert!(wrong.is_empty(), "rules that find nothing in fail, or something in pass:\n{wrong}");
    insta::assert_snapshot!("rules", text);
}

#[test]
fn every_case_belongs_to_a_rule() {
    let rules: BTreeSet<&str> = check::all_rules().iter().map(|rule| rule.name).collect();
    for entry in fs::read_dir(cases()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(rules.contains(&*name), "there is no rule {name}");
    }
}

/// What Debian ships is judged fairly: MD5 is what its PgBouncer's example says, and nothing else is wrong.
#[test]
fn examples_of_the_programs_own_have_only_what_is_truly_wrong() {
    let settings = settings(Path::new("none"));
    let rules = |path: &str| {
        let found = check::check(&[PathBuf::from(path)], None, &settings).unwrap_or_else(|e| panic!("{path}: {e:?}"));
        found.into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules("/usr/share/doc/pgbouncer/examples/pgbouncer.ini"), ["auth-md5"]);
    assert_eq!(rules("/usr/share/doc/pgbouncer/pgbouncer-minimal.ini"), ["auth-md5"]);
    assert_eq!(rules("/etc/haproxy/haproxy.cfg"), [""; 0]);
}
