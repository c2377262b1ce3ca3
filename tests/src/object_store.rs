//! A real S3 service for a test: MinIO, on a loopback address, with TLS.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use flotilla::config::{ArchiveStore, StoreUrl};
use flotilla_native::guard::{Process, Program};
use flotilla_native::kept;
use flotilla_native::minio::{May, Programs, Service, environment};
use flotilla_native::places;
use rustix::process::Signal;

use crate::sandbox::Sandbox;
use crate::tls::Identity;
use crate::wait::until;

/// The bucket.
const BUCKET: &str = "archive";
/// Words that occur nowhere else, so that a leaked one is found.
const ROOT: (&str, &str) = ("planted-Zx81-root", "planted-Zx81-root-secret");
const SECRET: &str = "planted-Zx81-object-secret";
/// Who may do what in the bucket.
const USERS: [(&str, May); 3] = [("writer", May::Write), ("reader", May::Read), ("fetcher", May::Fetch)];
/// Changes whenever one that was set up holds something else, so that old ones aren't used.
const REVISION: &str = "1";
/// The administrator of a MinIO that nobody has given another.
const KNOWN_TO_ALL: (&str, &str) = ("minioadmin", "minioadmin");

/// A running service with one bucket, and users who may do more or less in it.
#[derive(Debug)]
pub struct ObjectStore {
    port: u16,
    scheme: &'static str,
    root: (&'static str, &'static str),
    server: Option<Process>,
    programs: Programs,
    sandbox: Sandbox,
}

impl ObjectStore {
    /// Starts one.
    pub fn start() -> Self {
        Self::start_as("https", ROOT)
    }

    /// Starts one that speaks no TLS and has the administrator that everybody knows.
    pub fn careless() -> Self {
        Self::start_as("http", KNOWN_TO_ALL)
    }

    fn start_as(scheme: &'static str, root: (&'static str, &'static str)) -> Self {
        let cache = places::cache().expect("a cache folder");
        let kept = cache.join("templates").join(format!("minio-{}-{REVISION}", root.0));
        let made = kept::folder(&kept, |half| {
            let mut store = Self::over(scheme, root, None);
            store.set_up();
            store.stop(Signal::TERM);
            kept::copy(&store.objects(), half)
        });
        made.unwrap_or_else(|e| panic!("{}", e.text("MinIO")));
        let store = Self::over(scheme, root, Some(&kept));
        let profile = |user: &str| format!("[{user}]\naws_access_key_id = {user}\naws_secret_access_key = {SECRET}\n");
        store.sandbox.file("credentials", USERS.map(|(user, _)| profile(user)).concat());
        store
    }

    /// Starts one over these objects, or none.
    fn over(scheme: &'static str, root: (&'static str, &'static str), objects: Option<&Path>) -> Self {
        let programs = Programs::below(&places::cache().expect("a cache folder"));
        for need in programs.needs() {
            assert!(need.program.exists(), "{} is missing; run compose/install", need.program.display());
        }
        let sandbox = Sandbox::new();
        let tls = Identity::of_address("127.0.0.1").write(&sandbox);
        // It speaks TLS where it finds a certificate.
        let certificates = if scheme == "https" { "certs" } else { "no-certs" };
        for (from, to) in [(&tls.certificate, "public.crt"), (&tls.key, "private.key")] {
            sandbox.file(format!("{certificates}/{to}"), fs::read(from).expect("a file of the sandbox"));
        }
        sandbox.file("minio.env", environment(root.0, root.1, "here"));
        let mut store = Self { port: 0, scheme, root, server: None, programs, sandbox };
        if let Some(objects) = objects {
            kept::copy(objects, &store.objects()).unwrap_or_else(|e| panic!("{}", e.text("MinIO")));
        }
        store.run();
        store
    }

    /// Makes its bucket and its users: a dozen runs of MinIO's client, each of which takes a fifth of a second.
    fn set_up(&self) {
        let service = self.service();
        service.bucket(BUCKET).expect("a bucket");
        for (user, may) in USERS {
            service.user(user, SECRET, may, BUCKET).expect("a user");
        }
    }

    fn objects(&self) -> PathBuf {
        self.path().join("objects")
    }

    /// Starts the server, at a port that is free; after [`Self::stop`], at the one it had.
    fn run(&mut self) {
        for _ in 0..20 {
            if self.server.is_none() && self.port == 0 {
                let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
                self.port = free.expect("a free port").port();
            }
            let folder = self.path().to_owned();
            let program = Program::new(&self.programs.server)
                .args(["server", "--quiet", "--certs-dir"])
                .arg(folder.join("certs").display().to_string())
                .args(["--address", &format!("127.0.0.1:{}", self.port)])
                .arg(self.objects().display().to_string())
                .variable("MINIO_CONFIG_ENV_FILE", folder.join("minio.env").display().to_string())
                .variable("HOME", folder.join("home").display().to_string())
                .folder(&folder)
                .log(&folder.join("minio.log"));
            let server = self.sandbox.spawn(&program);
            let ready = until("MinIO answers", || {
                // Another process may have taken the port meanwhile.
                if server.exit().is_some() { Some(false) } else { self.is_ready().then_some(true) }
            });
            if ready {
                self.server = Some(server);
                return;
            }
            self.port = 0;
        }
        panic!("MinIO does not start: {}", fs::read_to_string(self.path().join("minio.log")).unwrap_or_default());
    }

    fn is_ready(&self) -> bool {
        let mut curl = std::process::Command::new("curl");
        curl.args(["--silent", "--fail", "--max-time", "5", "--cacert"]).arg(self.authority());
        curl.arg(format!("{}/minio/health/ready", self.endpoint()));
        curl.stdout(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// Ends the server as a power failure would.
    pub fn kill(&mut self) {
        self.stop(Signal::KILL);
    }

    fn stop(&mut self, signal: Signal) {
        if let Some(server) = self.server.take() {
            server.signal(signal);
            until("MinIO ends", || server.exit());
        }
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        self.run();
    }

    fn service(&self) -> Service<'_> {
        Service {
            programs: &self.programs,
            endpoint: self.endpoint(),
            authority: self.authority(),
            user: self.root.0,
            password: self.root.1,
        }
    }

    /// Has its administrator do something to the bucket.
    pub fn administer(&self, order: &[&str]) {
        self.service().to_bucket(order, BUCKET).unwrap_or_else(|e| panic!("{order:?}: {}", e.message()));
    }

    /// Its folder, that of a sandbox.
    pub fn path(&self) -> &Path {
        self.sandbox.path()
    }

    /// The certificate of the authority that signed its own.
    pub fn authority(&self) -> PathBuf {
        self.path().join("tls/ca.crt")
    }

    /// AWS's shared credentials file, with the profiles `writer`, `reader`, and `fetcher`, who may get
    /// objects but not list them.
    pub fn credentials(&self) -> PathBuf {
        self.path().join("credentials")
    }

    /// Where it listens.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// A store of the topology below this path of the bucket, used as one of the users.
    pub fn store(&self, path: &str, user: &str) -> ArchiveStore {
        ArchiveStore {
            name: "region1".to_owned(),
            url: StoreUrl::S3 { bucket: BUCKET.to_owned(), path: path.to_owned() },
            endpoint: Some(self.endpoint()),
            region: Some("here".to_owned()),
            path_style: true,
            ca_file: Some(self.authority()),
            profile: Some(user.to_owned()),
            credentials_file: Some(self.credentials()),
            connect_timeout_seconds: 5,
            stall_timeout_seconds: 2,
            retry_seconds: 30,
        }
    }

    /// The same as lines of `flotilla.toml`.
    pub fn toml(&self, path: &str, user: &str) -> String {
        let (endpoint, authority, credentials) = (self.endpoint(), self.authority(), self.credentials());
        let authority =
            if self.scheme == "https" { format!("ca_file = \"{}\"\n", authority.display()) } else { String::new() };
        format!(
            "[[archive.stores]]\nname = \"region1\"\nurl = \"s3://{BUCKET}/{path}\"\nendpoint = {endpoint:?}\n\
             region = \"here\"\npath_style = true\n{authority}profile = {user:?}\ncredentials_file = \"{}\"\n",
            credentials.display(),
        )
    }
}
