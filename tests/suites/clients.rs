//! The routers for applications, in TypeScript and Python, held to the server and to the tools.

mod addresses;
mod live;
mod placement;
mod served;
mod vectors;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flotilla_native::places;
use flotilla_native::postgres::program;
use flotilla_tests::{Fleet, Run, Sandbox};

/// The system's own: psycopg is a Debian package, which another python3 on the PATH doesn't see.
const PYTHON: &str = "/usr/bin/python3";

/// `lib/clients` of this checkout.
fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lib/clients")
}

/// The folder of the compiled TypeScript router; compiled in the cache where that is not yet done.
pub(crate) fn compiled() -> &'static Path {
    static DIST: OnceLock<PathBuf> = OnceLock::new();
    DIST.get_or_init(|| {
        let cache = places::cache().expect("the cache folder").join("clients");
        // With the caller's environment: npm has to find its registry and its own cache.
        let build = Command::new(clients().join("typescript/build")).arg(cache).output().expect("typescript/build");
        let said = String::from_utf8_lossy(&build.stderr);
        assert!(build.status.success(), "typescript/build: {}; are nodejs and npm installed?\n{said}", build.status);
        PathBuf::from(String::from_utf8_lossy(&build.stdout).trim_end())
    })
}

/// A run of node, in the folder of the compiled router.
fn node<'a>(sandbox: &Sandbox, args: impl IntoIterator<Item = &'a str>) -> Run {
    let args: Vec<&str> = args.into_iter().collect();
    sandbox.script(r#"exec node "$@""#).args(["node"]).args(args).folder(compiled())
}

/// A run of python, in the folder of its router.
fn python<'a>(sandbox: &Sandbox, args: impl IntoIterator<Item = &'a str>) -> Run {
    let args: Vec<&str> = args.into_iter().collect();
    let run = sandbox.script(r#"exec "$0" "$@""#).args([PYTHON]).args(args);
    run.env("PYTHONDONTWRITEBYTECODE", "1").folder(&clients().join("python"))
}

/// Both routers' live tests with the map in this place, as the application's role; `run` makes a run of
/// a program in a folder.
pub(crate) fn routers_live_tests(map: &str, run: impl Fn(&str, &[&str], &Path) -> Run) {
    let given = |run: Run| {
        run.env("FLOTILLA_TEST_MAP", map).env("FLOTILLA_TEST_TABLE", "router_probe").env("PGUSER", "app").run().ok()
    };
    let typescript = given(run("node", &["--test", "test/live.test.js"], compiled()));
    assert!(
        typescript.stdout.contains("\n# fail 0\n") && !typescript.stdout.contains("\n# pass 0\n"),
        "{}",
        typescript.transcript()
    );
    let python = run(PYTHON, &["-m", "unittest", "tests.test_live"], &clients().join("python"));
    given(python.env("PYTHONDONTWRITEBYTECODE", "1")).says("\nOK");
}

/// Runs an SQL file against the first shard and returns what it writes.
fn psql_file(fleet: &Fleet, file: &str, variables: &[String]) -> String {
    let mut psql = Command::new(program("psql"));
    psql.args(["-XqAt", "-d", &fleet.primary(0).conninfo(&fleet.topology.dbname)]).current_dir("/");
    psql.args(variables.iter().flat_map(|variable| ["-v", variable])).arg("-f").arg(clients().join(file));
    let output = psql.output().expect("psql");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
