//! Service files (`~/.pg_service.conf`, then the system's): named sets of connection options.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::conninfo::Conninfo;
use super::keywords;
use super::surroundings::Surroundings;
use crate::error::{Error, Result};

/// Debian's directory of system-wide service files, unless `PGSYSCONFDIR` says otherwise.
const SYSTEM_DIR: &str = "/etc/postgresql-common";

/// Adds the options of the service that `info` or `PGSERVICE` names. What is set already stays.
pub(super) fn apply(info: &mut Conninfo, around: &Surroundings<'_>) -> Result<()> {
    let Some(service) = info.get("service").map(str::to_owned).or_else(|| around.var("PGSERVICE")) else {
        return Ok(());
    };
    let user_file = match around.var("PGSERVICEFILE") {
        // A file that was named must be there.
        Some(path) => Some(PathBuf::from(path)),
        None => around.home().map(|home| home.join(".pg_service.conf")).filter(|path| path.exists()),
    };
    let system_dir = around.var("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_DIR.to_owned());
    let system_file = Some(Path::new(&system_dir).join("pg_service.conf")).filter(|path| path.exists());
    let mut looked = Vec::new();
    for path in [user_file, system_file].into_iter().flatten() {
        let text = fs::read_to_string(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Error::config(format!("service file \"{}\" not found", path.display())),
            _ => Error::config(format!("could not read service file \"{}\"", path.display())).source(e),
        })?;
        if read(&text, &service, &path, info)? {
            return Ok(());
        }
        looked.push(format!("\"{}\"", path.display()));
    }
    let error = Error::config(format!("definition of service \"{}\" not found", service.escape_debug()));
    Err(if looked.is_empty() {
        error.hint("There is no service file; name one as PGSERVICEFILE or write ~/.pg_service.conf.")
    } else {
        error.hint(format!("Looked in {}.", looked.join(" and ")))
    })
}

/// Reads one section of a service file; whether it was there. The first of two equal keys wins.
pub(super) fn read(text: &str, service: &str, path: &Path, info: &mut Conninfo) -> Result<bool> {
    let mut within = false;
    for (index, line) in text.lines().enumerate() {
        let place = || format!("service file \"{}\", line {}", path.display(), index + 1);
        let line = line.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            if within {
                break;
            }
            within = name.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            continue;
        }
        if !within {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(Error::config(format!("service definitions in LDAP are not supported in {}", place()))
                .hint("Write the options into the service file itself."));
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| Error::config(format!("syntax error in {}", place())))?;
        if name == "service" {
            return Err(Error::config(format!("nested service specifications not supported in {}", place())));
        }
        if keywords::find(name).is_none() {
            return Err(Error::config(format!("syntax error in {}", place())).source(keywords::unknown(name)));
        }
        info.set_default(name, value)?;
    }
    Ok(within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str =
        "# fleet\n\n[s0]\nhost=a,b\n port=1 \nport=2\noptions=-c x=y\n[s1]\nhost=c\nbroken\n[s0]\nuser=late\n";

    fn section(text: &str, name: &str) -> Result<Option<Conninfo>> {
        let mut info = Conninfo::new();
        Ok(read(text, name, Path::new("f"), &mut info)?.then_some(info))
    }

    #[test]
    fn a_section_ends_at_the_next_and_the_first_key_wins() {
        let info = section(FILE, "s0").unwrap().unwrap();
        assert_eq!(info.get("host"), Some("a,b"));
        assert_eq!(info.get("port"), Some("1"));
        assert_eq!(info.get("options"), Some("-c x=y"));
        assert_eq!(info.get("user"), None);
        assert!(section(FILE, "s").unwrap().is_none());
    }

    #[test]
    fn what_is_wrong_comes_with_its_line() {
        for (text, message) in [
            (FILE, "syntax error in service file \"f\", line 10"),
            ("[s1]\nhots=x", "syntax error in service file \"f\", line 2"),
            ("[s1]\nservice=x", "nested service specifications not supported in service file \"f\", line 2"),
            ("[s1]\nldap://x", "service definitions in LDAP are not supported in service file \"f\", line 2"),
        ] {
            assert_eq!(section(text, "s1").unwrap_err().message(), message);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(?s).*", name in ".*") {
            let _ = section(&text, &name);
            let _ = section(&format!("[{name}]\n{text}"), &name);
        }
    }
}
