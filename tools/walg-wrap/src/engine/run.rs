//! Running WAL-G.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use flotilla::config::{ArchiveStore, Compression, KeyTransform, StoreUrl};
use flotilla::error::{Error, Result};
use flotilla::{Context, env};
use flotilla_archive::Archive;
use flotilla_archive::crypt::{Decrypting, Key};
use secrecy::ExposeSecret as _;

use crate::program::Program;
use crate::spool::Spool;

/// What it says when it can't reach the server that it was told, and tries another.
const STRAYED: &str = "trying localhost";

/// What WAL-G gets when this process dies: one that lived on would finish its backup when nobody waits for
/// it any more.
const AT_DEATH: &str = "KILL";

/// How a run ended.
pub(crate) struct Ran {
    pub(super) complaint: Option<Error>,
    /// Whether it asked another server than it was told.
    pub(super) strayed: bool,
}

/// WAL-G, set to one archive.
pub(crate) struct WalG {
    program: PathBuf,
    variables: Vec<(&'static str, OsString)>,
    /// Its home: what it finds there it takes for settings.
    pub(super) home: Spool,
}

impl WalG {
    pub(super) async fn new(program: PathBuf, cx: &Context, archive: &Archive, home: Spool) -> Result<Self> {
        let config = cx.config()?;
        let settings = &config.archive;
        let store = settings.store(Some(archive.store().name()))?;
        let travel = OsString::from(settings.parallelism.to_string());
        let mut variables = vec![
            ("HOME", home.path().as_os_str().to_owned()),
            ("TMPDIR", home.path().as_os_str().to_owned()),
            ("PATH", env::var("PATH").unwrap_or_default().into()),
            (
                "WALG_COMPRESSION_METHOD",
                match settings.compression {
                    Compression::Lz4 => "lz4".into(),
                    Compression::Zstd => "zstd".into(),
                },
            ),
            ("WALG_UPLOAD_CONCURRENCY", travel.clone()),
            ("WALG_DOWNLOAD_CONCURRENCY", travel),
            ("WALG_PREVENT_WAL_OVERWRITE", "true".into()),
        ];
        if archive.is_encrypted()
            && let Some(path) = settings.key_path()
        {
            variables.push(("WALG_LIBSODIUM_KEY_PATH", path.into()));
            variables.push(("WALG_LIBSODIUM_KEY_TRANSFORM", settings.key_transform.name().into()));
        }
        variables.extend(place(store, archive).await?);
        Ok(Self { program, variables, home })
    }

    /// Whether it was built with libsodium: it must encrypt a word in a folder of its own so that it can be
    /// read here. Otherwise rows might lie in the store as they are.
    pub(super) async fn encrypts(&self) -> Result<(), String> {
        let no = |why: String| Err(format!("{} doesn't encrypt with libsodium: {why}", self.program.display()));
        let (folder, file, key) = (self.home.path().join("probe"), self.home.path().join("word"), "probe".repeat(5));
        let made = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, "a word"));
        if let Err(error) = made {
            return no(error.to_string());
        }
        let variables = [
            ("HOME", self.home.path().as_os_str().to_owned()),
            ("WALG_FILE_PREFIX", folder.clone().into()),
            ("WALG_LIBSODIUM_KEY", key.clone().into()),
            ("WALG_COMPRESSION_METHOD", "lz4".into()),
        ];
        let args = ["st".into(), "put".into(), file.display().to_string(), "probe".to_owned()];
        let run = Program::launch(super::WAL_G, &self.program, AT_DEATH, variables, args);
        let ran = match run {
            Ok(run) => run.finish().await,
            Err(error) => Err(error),
        };
        if let Err(error) = ran {
            return no(error.message().to_owned());
        }
        let read = || -> std::io::Result<bool> {
            let sealed = std::fs::File::open(folder.join("probe.lz4"))?;
            let key = Key::new(&key, KeyTransform::None)?;
            let mut reader = flotilla_archive::codec::Codec::Lz4.reader(Decrypting::new(sealed, &key)?)?;
            let mut word = String::new();
            std::io::Read::read_to_string(&mut reader, &mut word)?;
            Ok(word == "a word")
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => no("it wrote something else".to_owned()),
            Err(error) => no(error.to_string()),
        }
    }

    /// Runs it; what it complained of. Its word for a success isn't taken.
    pub(super) async fn run(
        &self,
        args: impl IntoIterator<Item = String>,
        more: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> Result<Ran> {
        let variables: Vec<_> = self.variables.iter().cloned().chain(more).collect();
        match Program::launch(super::WAL_G, &self.program, AT_DEATH, variables, args)?.finish().await {
            Ok((_, said)) => Ok(Ran { complaint: None, strayed: said.iter().any(|line| line.contains(STRAYED)) }),
            Err(error) => {
                let strayed = error.causes().iter().any(|cause| cause.contains(STRAYED));
                Ok(Ran { complaint: Some(error), strayed })
            }
        }
    }
}

/// Where the archive is, and what opens it.
async fn place(store: &ArchiveStore, archive: &Archive) -> Result<Vec<(&'static str, OsString)>> {
    let place = archive.store().place();
    if let StoreUrl::File(_) = &store.url {
        let folder = place.strip_prefix("file://").unwrap_or(place);
        // It wants its folder to be there.
        std::fs::create_dir_all(Path::new(folder)).map_err(|e| {
            Error::new(flotilla::Code::Io, format!("could not make {folder}")).hint("Is the store there?").source(e)
        })?;
        return Ok(vec![("WALG_FILE_PREFIX", folder.into())]);
    }
    let mut variables: Vec<(&'static str, OsString)> = vec![
        ("WALG_S3_PREFIX", place.into()),
        ("AWS_REGION", store.region.clone().unwrap_or_else(|| "us-east-1".to_owned()).into()),
        ("AWS_S3_FORCE_PATH_STYLE", store.path_style.to_string().into()),
    ];
    if let Some(endpoint) = &store.endpoint {
        variables.push(("AWS_ENDPOINT", endpoint.into()));
    }
    if let Some(authority) = &store.ca_file {
        variables.push(("WALG_S3_CA_CERT_FILE", authority.into()));
    }
    if let Some(found) = archive.store().credentials().await? {
        variables.push(("AWS_ACCESS_KEY_ID", found.key_id.into()));
        variables.push(("AWS_SECRET_ACCESS_KEY", found.secret.expose_secret().into()));
        if let Some(token) = found.token {
            variables.push(("AWS_SESSION_TOKEN", token.expose_secret().into()));
        }
    }
    Ok(variables)
}
