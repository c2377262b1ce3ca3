//! Writing objects: what there is has its sums, and what comes to no good end isn't there.

#![expect(clippy::unwrap_used, reason = "what these tests are made of may fail as they do")]

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flotilla::Code;
use flotilla::config::Config;
use flotilla_archive::Archive;
use flotilla_archive::archive::{Form, Kept};
use flotilla_archive::digest::{Content, Sum};

async fn archive(folder: &Path) -> Archive {
    let store = folder.join("store");
    fs::create_dir_all(&store).unwrap();
    let text = format!(
        "[cluster]\nname = \"c\"\ndbname = \"app\"\nkey_type = \"bigint\"\nbuckets = 8\n\
         [archive]\ncompression = \"lz4\"\nencryption = \"none\"\n\
         [[archive.stores]]\nname = \"one\"\nurl = \"file://{}\"\n\
         [[shards]]\nname = \"s0\"\n[[shards.nodes]]\nname = \"s0-a\"\nhost = \"localhost\"\n",
        store.display()
    );
    let path = folder.join("flotilla.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load(Some(&path)).unwrap();
    Archive::open(&config, config.shard("s0").unwrap(), None).await.unwrap()
}

/// Some megabytes that pack well, and some that don't.
fn content() -> Vec<u8> {
    let noise = (0..3_u64 << 20).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[6]);
    vec![7; 5 << 20].into_iter().chain(noise).collect()
}

const FORMS: [Form; 3] = [Form::Plain, Form::Packed, Form::Summed];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_has_its_sums() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path()).await;
    let content = content();
    for (number, form) in FORMS.into_iter().enumerate() {
        let (key, bytes) = (format!("written/{number}"), content.clone());
        let written = archive.write(&key, form, Some(42), move |sink| sink.write_all(&bytes).map(|()| "value")).await;
        let (sealed, value) = written.unwrap();
        assert_eq!(value, "value");
        let stored = fs::read(folder.path().join("store/s0").join(&key)).unwrap();
        assert_eq!((sealed.stored.bytes, sealed.stored.sum), (stored.len() as u64, Sum::of(&stored)), "{form:?}");
        let sum = (form != Form::Packed).then(|| Sum::of(&content));
        assert_eq!(sealed.content, Content { bytes: content.len() as u64, sum }, "{form:?}");
        let sums = archive.sums(&key).await.unwrap().unwrap();
        sums.compare(sealed.stored).unwrap();
        assert_eq!((sums.content_bytes, sums.content_sha256), (Some(content.len() as u64), sum), "{form:?}");
        assert_eq!(sums.system_identifier.as_deref(), Some("42"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_with_its_sums() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path()).await;
    let put = async |text: &'static str| {
        archive.write_new("once", Form::Summed, None, move |sink| sink.write_all(text.as_bytes())).await.unwrap().0
    };
    let Kept::Written(first) = put("first").await else { panic!("there was nothing") };
    let other = Content { bytes: 6, sum: Some(Sum::of(b"second")) };
    assert_eq!(put("second").await, Kept::Exists(other));
    archive.sums("once").await.unwrap().unwrap().compare(first.stored).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_or_dies_while_it_is_packed_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let archive = archive(folder.path()).await;
    let content = content();
    for form in FORMS {
        let bytes = content.clone();
        let fails = move |sink: &mut dyn Write| -> io::Result<()> {
            sink.write_all(&bytes)?;
            Err(io::ErrorKind::PermissionDenied.into())
        };
        assert_eq!(archive.write("cut", form, None, fails).await.unwrap_err().code(), Code::Io, "{form:?}");
        let bytes = content.clone();
        let dies = move |sink: &mut dyn Write| -> io::Result<()> {
            sink.write_all(&bytes)?;
            panic!("on purpose")
        };
        assert_eq!(archive.write("cut", form, None, dies).await.unwrap_err().code(), Code::Internal, "{form:?}");
        assert!(archive.store().head("cut").await.unwrap_err().is_absent(), "{form:?}");
        assert!(archive.sums("cut").await.unwrap().is_none(), "{form:?}");
    }
    // Nothing half made is left.
    assert_eq!(fs::read_dir(folder.path().join("store/.flotilla-new")).unwrap().count(), 0);
}
