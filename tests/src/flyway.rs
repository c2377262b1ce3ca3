//! Flyway's own command line, against a fleet's servers.

use std::ffi::OsStr;
use std::path::PathBuf;

use flotilla_native::places;

use crate::fleet::{Fleet, PASSWORDS};
use crate::run::Run;

/// A call lasts a second: no time for a good compiler or threads that collect garbage, and the other compiler is for
/// what runs a thousand times, not two hundred.
const JAVA: &str = "-XX:+UseSerialGC -XX:-UsePerfData -XX:TieredStopAtLevel=1 -XX:Tier3InvocationThreshold=1000 \
                    -XX:Tier3MinInvocationThreshold=500 -XX:Tier3CompileThreshold=3000";
/// Its classes as the first call has loaded them, beside it: the next begins with them, in two thirds of the time.
const CLASSES: &str = "-Xlog:cds=off -Xlog:cds+dynamic=off -XX:+AutoCreateSharedArchive -XX:SharedArchiveFile=";

/// The program, which `tests/run` has put into the cache.
fn program() -> PathBuf {
    let program = places::cache().expect("the cache folder").join("flyway/flyway");
    assert!(
        program.exists(),
        "there is no Flyway in {}; run tests/run, which installs it there before it runs tests",
        program.display()
    );
    program
}

impl Fleet {
    /// A run of Flyway as the migrator, directly on a shard's primary, with the scripts in `migrations`.
    /// The fleet must be [`listening`](crate::Builder::listening): Java knows no Unix sockets.
    pub fn flyway<S: AsRef<OsStr>>(&self, shard: usize, args: impl IntoIterator<Item = S>) -> Run {
        let (user, password) = PASSWORDS[3];
        let url = format!(
            "jdbc:postgresql://127.0.0.1:{}/{}?sslmode=disable",
            self.primary(shard).port(),
            self.topology.dbname
        );
        let program = program();
        let java = format!("{JAVA} {CLASSES}{}", program.with_file_name("classes.jsa").display());
        Run::new(program)
            .args(["-locations=filesystem:migrations", "-skipCheckForUpdate"])
            .args(args)
            .environment(self.variables())
            .env("JAVA_ARGS", java)
            // Without it Java sees no file whose name isn't ASCII.
            .env("LC_ALL", "C.UTF-8")
            .env("REDGATE_DISABLE_TELEMETRY", "true")
            .env("FLYWAY_URL", url)
            .env("FLYWAY_USER", user)
            .env("FLYWAY_PASSWORD", password)
            // migrate records the login, Flyway the role that the login has become.
            .env("FLYWAY_INSTALLED_BY", user)
            .folder(self.path())
    }
}
