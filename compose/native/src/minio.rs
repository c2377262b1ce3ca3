//! MinIO: one server's environment, and its users and buckets.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flotilla::{Code, Error, Result};
use serde_json::json;

use crate::parts::Need;

/// Where compose/install puts the programs, below the cache.
const FOLDER: &str = "minio/current";
/// What the client calls the server.
const ALIAS: &str = "here";

/// The server and its client.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The server.
    pub server: PathBuf,
    /// The client.
    pub client: PathBuf,
}

/// A running server, as its administrator sees it.
#[derive(Debug)]
pub struct Service<'a> {
    /// Its programs.
    pub programs: &'a Programs,
    /// `https://address:port`.
    pub endpoint: String,
    /// The certificate of the authority that signed its own.
    pub authority: PathBuf,
    /// The administrator's name.
    pub user: &'a str,
    /// The administrator's password.
    pub password: &'a str,
}

/// What a user may do in its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    /// List, get, put and delete.
    Write,
    /// List and get.
    Read,
    /// Get, but not list: what archives must not be read with.
    Fetch,
}

impl May {
    /// As S3's own document.
    pub(crate) fn policy(self, bucket: &str) -> serde_json::Value {
        let of_bucket: &[&str] = match self {
            Self::Write => {
                &["s3:ListBucket", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucketMultipartUploads"]
            }
            Self::Read => &["s3:ListBucket", "s3:GetBucketLocation", "s3:GetBucketVersioning"],
            Self::Fetch => &["s3:GetBucketLocation"],
        };
        let of_objects: &[&str] = match self {
            Self::Write => &[
                "s3:GetObject",
                "s3:PutObject",
                "s3:DeleteObject",
                "s3:AbortMultipartUpload",
                "s3:ListMultipartUploadParts",
            ],
            Self::Read | Self::Fetch => &["s3:GetObject"],
        };
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": of_bucket, "Resource": [format!("arn:aws:s3:::{bucket}")] },
            { "Effect": "Allow", "Action": of_objects, "Resource": [format!("arn:aws:s3:::{bucket}/*")] },
        ]})
    }
}

impl Programs {
    /// Those below a cache folder.
    pub fn below(cache: &Path) -> Self {
        Self { server: cache.join(FOLDER).join("minio"), client: cache.join(FOLDER).join("mc") }
    }

    /// What must be there.
    pub fn needs(&self) -> Vec<Need> {
        [&self.server, &self.client]
            .into_iter()
            .map(|program| Need { program: program.clone(), package: "MinIO (by compose/install)" })
            .collect()
    }
}

/// The file of a server's environment: its administrator, and no calls home.
pub fn environment(user: &str, password: &str, region: &str) -> String {
    format!(
        "MINIO_ROOT_USER={user}\nMINIO_ROOT_PASSWORD={password}\nMINIO_REGION={region}\n\
         MINIO_SITE_REGION={region}\nMINIO_BROWSER=off\nMINIO_UPDATE=off\nMINIO_CALLHOME_ENABLE=off\n\
         MINIO_PROMETHEUS_AUTH_TYPE=public\n"
    )
}

impl Service<'_> {
    /// Whether this user gets in and may list the bucket.
    pub fn admits(&self, name: &str, password: &str, bucket: &str) -> bool {
        let user = Service {
            user: name,
            password,
            authority: self.authority.clone(),
            endpoint: self.endpoint.clone(),
            ..*self
        };
        user.client(&["ls", &format!("{ALIAS}/{bucket}")], "").is_ok()
    }

    /// Makes the bucket, unless it is there.
    pub fn bucket(&self, bucket: &str) -> Result<()> {
        self.client(&["mb", "--ignore-existing", &format!("{ALIAS}/{bucket}")], "")
    }

    /// Does something to the bucket by MinIO's own client.
    pub fn to_bucket(&self, order: &[&str], bucket: &str) -> Result<()> {
        self.client(&[order, &[&format!("{ALIAS}/{bucket}")]].concat(), "")
    }

    /// Has the bucket keep what is deleted or written over for so many days.
    pub fn keep_versions(&self, bucket: &str, days: u8) -> Result<()> {
        self.to_bucket(&["version", "enable"], bucket)?;
        // One rule, whatever was there: a second run adds none.
        let rules = json!({ "Rules": [{
            "ID": "old-versions", "Status": "Enabled", "Filter": { "Prefix": "" },
            "NoncurrentVersionExpiration": { "NoncurrentDays": days },
            "Expiration": { "ExpiredObjectDeleteMarker": true },
        }]});
        self.client(&["ilm", "rule", "import", &format!("{ALIAS}/{bucket}")], &rules.to_string())
    }

    /// Makes the user, or gives it this password and these rights.
    pub fn user(&self, name: &str, password: &str, may: May, bucket: &str) -> Result<()> {
        let policy = tempfile::NamedTempFile::new().and_then(|mut file| {
            file.write_all(may.policy(bucket).to_string().as_bytes())?;
            Ok(file)
        });
        let policy = policy.map_err(|source| Error::new(Code::Io, "could not write a policy").source(source))?;
        let path = policy.path().display().to_string();
        let called = format!("{name}-{bucket}");
        self.client(&["admin", "policy", "create", ALIAS, &called, &path], "")?;
        // Name and password by standard input: arguments can be seen by everybody.
        self.client(&["admin", "user", "add", ALIAS], &format!("{name}\n{password}\n"))?;
        self.client(&["admin", "policy", "attach", ALIAS, &called, "--user", name], "")
    }

    fn client(&self, args: &[&str], input: &str) -> Result<()> {
        let failed = |source: std::io::Error| {
            Error::new(Code::Io, format!("could not run {}", self.programs.client.display())).source(source)
        };
        let folder = tempfile::tempdir().map_err(failed)?;
        let authorities = folder.path().join("certs/CAs");
        std::fs::create_dir_all(&authorities).map_err(failed)?;
        std::fs::copy(&self.authority, authorities.join("ca.crt")).map_err(failed)?;
        let mut command = Command::new(&self.programs.client);
        command.arg("--config-dir").arg(folder.path()).args(["--quiet", "--json"]).args(args);
        let host = self.endpoint.replacen("://", &format!("://{}:{}@", self.user, self.password), 1);
        command.env_clear().env(format!("MC_HOST_{ALIAS}"), host).env("HOME", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            pipe.write_all(input.as_bytes()).map_err(failed)?;
        }
        let output = child.wait_with_output().map_err(failed)?;
        if output.status.success() {
            return Ok(());
        }
        let said: Option<serde_json::Value> =
            output.stdout.split(|byte| *byte == b'\n').rev().find_map(|line| serde_json::from_slice(line).ok());
        let why = said.and_then(|said| Some(said["error"]["cause"]["message"].as_str()?.to_owned()));
        let what = args.iter().take(3).copied().collect::<Vec<_>>().join(" ");
        Err(Error::new(Code::Unreachable, format!("MinIO at {} refused \"{what}\"", self.endpoint))
            .source(why.unwrap_or_else(|| output.status.to_string())))
    }
}
