//! pgBackRest and WAL-G, each with a store of its own.

use std::path::{Path, PathBuf};

use flotilla_native::account::Account;
use flotilla_tests::{Fleet, ObjectStore, Run, Sandbox};

use super::{done, on_path};

/// Who is measured beside.
pub(super) const NAMES: [&str; 2] = ["pgbackrest", "wal-g"];

/// How many workers everybody has.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// Another program that makes backups.
pub(super) enum Other {
    /// pgBackRest with its configuration: for the server, and for the cluster that has the segments.
    PgBackRest { program: PathBuf, config: PathBuf, of_segments: PathBuf },
    /// WAL-G with its settings.
    WalG { program: PathBuf, settings: Vec<(String, String)> },
}

impl Other {
    /// Those that are installed, ready to be used.
    pub(super) fn all(fleet: &Fleet, disk: &Sandbox, service: Option<&ObjectStore>) -> anyhow::Result<Vec<Self>> {
        let mut others = Vec::new();
        if let Some(program) = on_path("pgbackrest") {
            others.push(Self::pgbackrest(program, fleet, disk, service)?);
        }
        if let Some(program) = on_path("wal-g") {
            others.push(Self::wal_g(program, fleet, disk, service)?);
        }
        Ok(others)
    }

    fn pgbackrest(
        program: PathBuf,
        fleet: &Fleet,
        disk: &Sandbox,
        service: Option<&ObjectStore>,
    ) -> anyhow::Result<Self> {
        let folder = disk.path().join("pgbackrest");
        let account = Account::server()?;
        for name in ["log", "lock", "spool", "repository", "segments"] {
            account.private_folder(&folder.join(name))?;
        }
        account.own(&folder)?;
        let server = fleet.primary(0);
        let config = |name: &str, data: &Path| -> anyhow::Result<PathBuf> {
            let repository = match service {
                None => format!("repo1-path={}\n", folder.join(name).display()),
                Some(service) => format!("repo1-path=/pgbackrest/{name}\n{}", s3(service)),
            };
            let text = format!(
                "[global]\n{repository}log-path={0}/log\nlock-path={0}/lock\nspool-path={0}/spool\nlog-level-file=off\n\
                 log-level-console=error\nprocess-max={1}\ncompress-type=lz4\nstart-fast=y\n\n[s0]\npg1-path={2}\n\
                 pg1-socket-path={3}\npg1-port={4}\npg1-user=postgres\n",
                folder.display(),
                cores(),
                data.display(),
                server.socket_folder().display(),
                server.port()
            );
            let path = disk.file(format!("{name}.conf"), text);
            account.own(&path)?;
            Ok(path)
        };
        let cluster = disk.path().join("cluster");
        let (config, of_segments) = (config("repository", &server.data())?, config("segments", &cluster)?);
        let other = Self::PgBackRest { program, config: config.clone(), of_segments: of_segments.clone() };
        done(other.run(fleet, &config, &["stanza-create"]))?;
        done(other.run(fleet, &of_segments, &["--no-online", "stanza-create"]))?;
        Ok(other)
    }

    fn wal_g(program: PathBuf, fleet: &Fleet, disk: &Sandbox, service: Option<&ObjectStore>) -> anyhow::Result<Self> {
        let server = fleet.primary(0);
        let mut settings = vec![
            ("WALG_COMPRESSION_METHOD", "lz4".to_owned()),
            ("WALG_UPLOAD_CONCURRENCY", cores().to_string()),
            ("WALG_UPLOAD_DISK_CONCURRENCY", cores().to_string()),
            ("WALG_DOWNLOAD_CONCURRENCY", cores().to_string()),
            ("PGHOST", server.socket_folder().display().to_string()),
            ("PGPORT", server.port().to_string()),
            ("PGUSER", "postgres".to_owned()),
            ("PGDATABASE", "postgres".to_owned()),
        ];
        match service {
            None => {
                let folder = disk.path().join("wal-g");
                Account::server()?.private_folder(&folder)?;
                settings.push(("WALG_FILE_PREFIX", folder.display().to_string()));
            }
            Some(service) => settings.extend([
                ("WALG_S3_PREFIX", "s3://archive/wal-g".to_owned()),
                ("AWS_ENDPOINT", service.endpoint()),
                ("AWS_S3_FORCE_PATH_STYLE", "true".to_owned()),
                ("AWS_REGION", "here".to_owned()),
                ("AWS_SHARED_CREDENTIALS_FILE", service.credentials().display().to_string()),
                ("AWS_PROFILE", "writer".to_owned()),
                ("WALG_S3_CA_CERT_FILE", service.authority().display().to_string()),
            ]),
        }
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Self::WalG { program, settings })
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::PgBackRest { .. } => NAMES[0],
            Self::WalG { .. } => NAMES[1],
        }
    }

    /// A run with pgBackRest's configuration, or with WAL-G's settings.
    fn run(&self, fleet: &Fleet, config: &Path, args: &[&str]) -> Run {
        match self {
            Self::PgBackRest { program, .. } => {
                let config = config.display().to_string();
                let all = [&["--config", &config, "--stanza", "s0"][..], args].concat();
                fleet.program_as_operator(program, all)
            }
            Self::WalG { program, settings } => {
                let run = fleet.program_as_operator(program, args);
                settings.iter().fold(run, |run, (name, value)| run.env(name, value))
            }
        }
    }

    pub(super) fn push(&self, fleet: &Fleet) -> Run {
        match self {
            Self::PgBackRest { config, .. } => self.run(fleet, config, &["--type=full", "backup"]),
            Self::WalG { .. } => {
                self.run(fleet, Path::new(""), &["backup-push", &fleet.primary(0).data().display().to_string()])
            }
        }
    }

    pub(super) fn fetch(&self, fleet: &Fleet, into: &Path) -> Run {
        let into = into.display().to_string();
        match self {
            Self::PgBackRest { config, .. } => self.run(fleet, config, &["--pg1-path", &into, "restore"]),
            Self::WalG { .. } => self.run(fleet, Path::new(""), &["backup-fetch", &into, "LATEST"]),
        }
    }

    pub(super) fn wal_push(&self, fleet: &Fleet, cluster: &Path, path: &Path) -> Run {
        let path = path.display().to_string();
        match self {
            Self::PgBackRest { of_segments, .. } => self.run(fleet, of_segments, &["archive-push", &path]),
            Self::WalG { .. } => self.run(fleet, Path::new(""), &["wal-push", &path]).env("PGDATA", cluster),
        }
    }

    pub(super) fn wal_fetch(&self, fleet: &Fleet, cluster: &Path, name: &str, into: &Path) -> Run {
        let into = into.display().to_string();
        match self {
            Self::PgBackRest { of_segments, .. } => self.run(fleet, of_segments, &["archive-get", name, &into]),
            // Looking ahead would make later fetches of this measurement free.
            Self::WalG { .. } => self
                .run(fleet, Path::new(""), &["wal-fetch", name, &into])
                .env("PGDATA", cluster)
                .env("WALG_DOWNLOAD_CONCURRENCY", "1"),
        }
    }

    /// What the server archives by while this one makes a backup.
    pub(super) fn archive_command(&self) -> String {
        match self {
            Self::PgBackRest { program, config, .. } => {
                format!("{} --config={} --stanza=s0 archive-push %p", program.display(), config.display())
            }
            Self::WalG { program, settings } => {
                let settings: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("env {} {} wal-push %p", settings.join(" "), program.display())
            }
        }
    }
}

fn s3(service: &ObjectStore) -> String {
    let key = std::fs::read_to_string(service.credentials()).unwrap_or_default();
    let of_writer = key.split("[writer]").nth(1).unwrap_or_default();
    let value = |name: &str| {
        let line = of_writer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim_start_matches([' ', '=']).to_owned()
    };
    let address = service.address();
    let (host, port) = address.rsplit_once(':').unwrap_or((&address, "443"));
    // It looks for an address in no certificate.
    format!(
        "repo1-type=s3\nrepo1-s3-bucket=archive\nrepo1-s3-region=here\nrepo1-s3-endpoint={host}\nrepo1-s3-uri-style=path\n\
         repo1-storage-host={host}\nrepo1-storage-port={port}\nrepo1-storage-verify-tls=n\nrepo1-s3-key={}\n\
         repo1-s3-key-secret={}\n",
        value("aws_access_key_id"),
        value("aws_secret_access_key")
    )
}
