//! All scripts of a run: found, read, sorted, and refused where two claim the same place.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};
use encoding_rs::Encoding;
use walkdir::{DirEntry, WalkDir};

use super::{Event, Kind, Options, Script, Version, checksum, name};

/// The scripts of one or several locations.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// `V`, by version.
    pub versioned: BTreeMap<Version, Script>,
    /// `B`, by version.
    pub baselines: BTreeMap<Version, Script>,
    /// `U`, by version.
    pub undo: BTreeMap<Version, Script>,
    /// `R`, by description.
    pub repeatable: BTreeMap<String, Script>,
    /// Callbacks, in the order of their descriptions.
    pub callbacks: HashMap<Event, Vec<Script>>,
    /// Files that are no scripts by their names, but look as if they were meant to be.
    pub ignored: Vec<PathBuf>,
}

impl Set {
    /// Reads every location. A folder that isn't there is an error: an empty one is not the same.
    pub fn read(locations: &[PathBuf]) -> Result<Self> {
        let mut set = Self::default();
        for location in locations {
            set.read_location(location)?;
        }
        for callbacks in set.callbacks.values_mut() {
            callbacks.sort_by(|a, b| (&a.description, &a.script).cmp(&(&b.description, &b.script)));
        }
        Ok(set)
    }

    /// The callbacks of an event.
    pub fn on(&self, event: Event) -> &[Script] {
        self.callbacks.get(&event).map_or(&[], Vec::as_slice)
    }

    /// How many scripts there are.
    pub fn len(&self) -> usize {
        self.versioned.len()
            + self.baselines.len()
            + self.undo.len()
            + self.repeatable.len()
            + self.callbacks.values().map(Vec::len).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every script, for what looks at each.
    pub fn all(&self) -> impl Iterator<Item = &Script> {
        self.versioned
            .values()
            .chain(self.baselines.values())
            .chain(self.repeatable.values())
            .chain(self.undo.values())
            .chain(self.callbacks.values().flatten())
    }

    fn read_location(&mut self, location: &Path) -> Result<()> {
        if !location.is_dir() {
            return Err(Error::config(format!("there is no folder {}", location.display()))
                .hint("Name the folder of the migrations with --dir, or make it."));
        }
        // Links are followed, as Flyway does; hidden folders are not entered.
        let files = WalkDir::new(location).follow_links(true).sort_by_file_name().into_iter();
        for entry in files.filter_entry(|entry| entry.depth() == 0 || !is_hidden_folder(entry)) {
            let entry =
                entry.map_err(|e| Error::new(Code::Io, format!("could not read {}", location.display())).source(e))?;
            if entry.file_type().is_file() {
                self.read_file(location, entry.path())?;
            }
        }
        Ok(())
    }

    fn read_file(&mut self, location: &Path, path: &Path) -> Result<()> {
        let Some(file) = path.file_name().and_then(|f| f.to_str()) else { return Ok(()) };
        let Some(parsed) = name::Name::parse(file) else {
            if name::Name::is_near_miss(file) {
                self.ignored.push(path.to_owned());
            }
            return Ok(());
        };
        let relative = path.strip_prefix(location).unwrap_or(path);
        let script = relative.to_str().ok_or_else(|| {
            Error::config(format!("{}: the path is not UTF-8", path.display())).hint("Rename the file or its folder.")
        })?;
        let options = options(path)?;
        let text = text(path, options.encoding.as_deref())?;
        let checksum = checksum::checksum(&text);
        self.add(Script {
            kind: parsed.kind,
            description: parsed.description,
            script: script.to_owned(),
            path: path.to_owned(),
            text,
            options,
            checksum,
        })
    }

    fn add(&mut self, script: Script) -> Result<()> {
        let known = match script.kind.clone() {
            Kind::Versioned(version) => self.versioned.insert(version, script.clone()),
            Kind::Baseline(version) => self.baselines.insert(version, script.clone()),
            Kind::Undo(version) => self.undo.insert(version, script.clone()),
            Kind::Repeatable => self.repeatable.insert(script.description.clone(), script.clone()),
            Kind::Callback(event) => {
                self.callbacks.entry(event).or_default().push(script);
                return Ok(());
            }
        };
        match known {
            None => Ok(()),
            Some(other) => {
                let what = script.version().map_or_else(
                    || format!("repeatable migration \"{}\"", script.description),
                    |version| format!("version {version}"),
                );
                Err(Error::config(format!(
                    "found more than one script for {what}: {} and {}",
                    other.path.display(),
                    script.path.display()
                ))
                .hint("Give one of them another version or description; 1, 01 and 1.0 are the same version."))
            }
        }
    }
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_dir() && entry.file_name().to_string_lossy().starts_with('.')
}

fn options(path: &Path) -> Result<Options> {
    let mut conf = path.as_os_str().to_owned();
    conf.push(".conf");
    let conf = PathBuf::from(conf);
    match fs::read_to_string(&conf) {
        Ok(text) => Options::parse(&text, &conf),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Options::default()),
        Err(e) => Err(Error::new(Code::Io, format!("could not read {}", conf.display())).source(e)),
    }
}

fn text(path: &Path, encoding: Option<&str>) -> Result<String> {
    let bytes =
        fs::read(path).map_err(|e| Error::new(Code::Io, format!("could not read {}", path.display())).source(e))?;
    let Some(label) = encoding else {
        return String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to();
            Error::config(format!("{}: byte {} is not UTF-8", path.display(), at + 1))
                .hint("Save it as UTF-8, or name its encoding in the file's .conf: encoding=ISO-8859-1.")
        });
    };
    let encoding = Encoding::for_label(label.as_bytes()).ok_or_else(|| {
        Error::config(format!("{}: unknown encoding \"{label}\"", path.display()))
            .hint("Use a name such as UTF-8, ISO-8859-1, windows-1252 or Shift_JIS.")
    })?;
    let (text, _, garbled) = encoding.decode(&bytes);
    if garbled {
        return Err(Error::config(format!("{}: not {}", path.display(), encoding.name()))
            .hint("Save it in the encoding that its .conf names."));
    }
    Ok(text.into_owned())
}
