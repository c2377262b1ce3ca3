//! Connection strings: `key=value` pairs and `postgresql://` URIs, as libpq reads them.
//!
//! No message here ever shows the string itself, for it may hold a password.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use super::keywords;
use crate::error::{Error, Result};

/// Connection options, before anything is looked up elsewhere. A key that is present but empty
/// means the default, and keeps the service file and the environment from being asked.
#[derive(Clone, Default)]
pub struct Conninfo {
    values: BTreeMap<&'static str, SecretString>,
}

impl Conninfo {
    /// Nothing set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a connection string. As with `psql`, a word that is neither `key=value` nor a URI is
    /// the name of a database.
    pub fn parse(text: &str) -> Result<Self> {
        let mut info = Self::new();
        if text.contains('\0') {
            return Err(Error::config("connection string contains a NUL byte"));
        }
        if let Some(rest) = text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
            uri(rest, &mut info)?;
        } else if text.contains('=') {
            pairs(text, &mut info)?;
        } else if !text.trim().is_empty() {
            info.set("dbname", text)?;
        }
        Ok(info)
    }

    /// Reads a connection string that was given as a command-line argument, where every user of
    /// the machine can see it: a password in it is refused.
    pub fn from_argument(text: &str) -> Result<Self> {
        let info = Self::parse(text)?;
        for keyword in keywords::KEYWORDS.iter().filter(|keyword| keyword.secret) {
            if info.values.contains_key(keyword.name) {
                return Err(Error::usage(format!("connection string holds a {}", keyword.name)).hint(
                    "Everyone on this machine can read command lines; put it into the password file \
                     (~/.pgpass or PGPASSFILE, mode 0600) as host:port:dbname:user:password.",
                ));
            }
        }
        Ok(info)
    }

    /// Sets an option; the last one given wins.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let keyword = keywords::find(name).ok_or_else(|| keywords::unknown(name))?;
        self.values.insert(keyword.name, value.to_owned().into());
        Ok(())
    }

    /// Sets an option unless it is set already.
    pub(super) fn set_default(&mut self, name: &str, value: &str) -> Result<()> {
        let keyword = keywords::find(name).ok_or_else(|| keywords::unknown(name))?;
        self.values.entry(keyword.name).or_insert_with(|| value.to_owned().into());
        Ok(())
    }

    /// The option's value, empty or not.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(ExposeSecret::expose_secret)
    }

    /// The option's value, if it isn't empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The option's value as a secret, if it isn't empty.
    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.values.get(name).filter(|value| !value.expose_secret().is_empty()).cloned()
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.values.keys().map(|name| {
                let hidden = keywords::find(name).is_none_or(|keyword| keyword.secret);
                (name, if hidden { "***" } else { self.get(name).unwrap_or_default() })
            }))
            .finish()
    }
}

/// The blanks of C's `isspace`.
fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c')
}

fn pairs(text: &str, info: &mut Conninfo) -> Result<()> {
    let mut rest = text.trim_start_matches(is_blank);
    while !rest.is_empty() {
        let end = rest.find(|c| c == '=' || is_blank(c)).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = rest[end..].trim_start_matches(is_blank);
        // The name may be a misplaced piece of a password, so it isn't shown unless an option's.
        rest = rest.strip_prefix('=').ok_or_else(|| match keywords::find(name) {
            Some(keyword) => Error::config(format!("missing \"=\" after \"{}\" in connection string", keyword.name)),
            None => Error::config("missing \"=\" after a word in connection string")
                .hint("A value with blanks is written in single quotes: password='a b'."),
        })?;
        rest = rest.trim_start_matches(is_blank);
        let value;
        (value, rest) = match rest.strip_prefix('\'') {
            Some(quoted) => quoted_value(quoted)?,
            None => bare_value(rest),
        };
        info.set(name, &value)?;
        rest = rest.trim_start_matches(is_blank);
    }
    Ok(())
}

/// A value up to the next blank; a backslash takes the character after it as it is.
fn bare_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if is_blank(c) => return (value, &text[at..]),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

/// A value up to the closing quote.
fn quoted_value(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Ok((value, &text[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    Err(Error::config("unterminated quoted string in connection string"))
}

fn uri(text: &str, info: &mut Conninfo) -> Result<()> {
    let mut rest = text;
    // Credentials end at the first '@', unless a '/' comes first.
    if let Some(at) = rest.find(['@', '/']).filter(|at| rest[*at..].starts_with('@')) {
        let (user, password) = rest[..at].split_once(':').unwrap_or((&rest[..at], ""));
        set_decoded(info, "user", user)?;
        set_decoded(info, "password", password)?;
        rest = &rest[at + 1..];
    }
    rest = uri_hosts(rest, info)?;
    if let Some(path) = rest.strip_prefix('/') {
        let end = path.find('?').unwrap_or(path.len());
        set_decoded(info, "dbname", &path[..end])?;
        rest = &path[end..];
    }
    match rest.strip_prefix('?') {
        Some(query) => uri_parameters(query, info),
        None => Ok(()),
    }
}

/// `host[:port][,host[:port]…]`; returns what follows.
fn uri_hosts<'a>(text: &'a str, info: &mut Conninfo) -> Result<&'a str> {
    let (mut hosts, mut ports) = (String::new(), String::new());
    let mut rest = text;
    loop {
        let host;
        if let Some(v6) = rest.strip_prefix('[') {
            let end = v6
                .find(']')
                .ok_or_else(|| Error::config("no matching \"]\" for the IPv6 host address in connection URI"))?;
            host = &v6[..end];
            rest = &v6[end + 1..];
            if host.is_empty() {
                return Err(Error::config("IPv6 host address may not be empty in connection URI"));
            }
            if !rest.is_empty() && !rest.starts_with([':', '/', '?', ',']) {
                return Err(Error::config("unexpected character after the IPv6 host address in connection URI"));
            }
        } else {
            let end = rest.find([':', '/', '?', ',']).unwrap_or(rest.len());
            (host, rest) = rest.split_at(end);
        }
        hosts.push_str(host);
        if let Some(port) = rest.strip_prefix(':') {
            let end = port.find(['/', '?', ',']).unwrap_or(port.len());
            ports.push_str(&port[..end]);
            rest = &port[end..];
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
        hosts.push(',');
        ports.push(',');
    }
    set_decoded(info, "host", &hosts)?;
    set_decoded(info, "port", &ports)?;
    Ok(rest)
}

fn uri_parameters(query: &str, info: &mut Conninfo) -> Result<()> {
    if query.is_empty() {
        return Ok(());
    }
    for parameter in query.split('&') {
        let (name, value) = parameter
            .split_once('=')
            .ok_or_else(|| Error::config("missing key/value separator \"=\" in connection URI query parameter"))?;
        if value.contains('=') {
            return Err(Error::config("extra key/value separator \"=\" in connection URI query parameter"));
        }
        let (name, value) = (decode(name)?, decode(value)?);
        // JDBC's spelling, which libpq takes too.
        match (name.as_str(), value.as_str()) {
            ("ssl", "true") => info.set("sslmode", "require")?,
            (name, value) => info.set(name, value)?,
        }
    }
    Ok(())
}

/// Sets an option from a piece of a URI; an empty piece sets nothing.
fn set_decoded(info: &mut Conninfo, name: &str, value: &str) -> Result<()> {
    if value.is_empty() { Ok(()) } else { info.set(name, &decode(value)?) }
}

/// Percent-decoding.
fn decode(text: &str) -> Result<String> {
    let invalid = || Error::config("invalid percent-encoded token in connection URI");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|c| char::from(c).to_digit(16)).ok_or_else(invalid);
        let (high, low) = (digit()?, digit()?);
        match u8::try_from(high * 16 + low) {
            Ok(0) => return Err(Error::config("forbidden value %00 in connection URI")),
            Ok(decoded) => bytes.push(decoded),
            Err(_) => return Err(invalid()),
        }
    }
    String::from_utf8(bytes).map_err(|_| Error::config("connection URI isn't UTF-8 when decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> Vec<(&'static str, String)> {
        let info = Conninfo::parse(text).unwrap();
        info.values.iter().map(|(k, v)| (*k, v.expose_secret().to_owned())).collect()
    }

    fn refused(text: &str) -> String {
        Conninfo::parse(text).unwrap_err().message().to_owned()
    }

    #[test]
    fn pairs_quotes_and_escapes() {
        assert_eq!(
            shown(r" host = localhost port=5432  dbname='my \'db\' \\' user=a\ b options='' "),
            [
                ("dbname", r"my 'db' \".to_owned()),
                ("host", "localhost".to_owned()),
                ("options", String::new()),
                ("port", "5432".to_owned()),
                ("user", "a b".to_owned()),
            ]
        );
        // libpq's own: a quote inside a bare value is a character, the last of two wins.
        assert_eq!(shown("user=it's user=bob'"), [("user", "bob'".to_owned())]);
        // An empty bare value ends at the blank after it only if one follows the value, as in libpq.
        assert_eq!(shown("user= host=x"), [("user", "host=x".to_owned())]);
        assert_eq!(shown("user="), [("user", String::new())]);
        assert_eq!(shown("app"), [("dbname", "app".to_owned())]);
    }

    #[test]
    fn broken_pairs() {
        assert_eq!(refused("host=x port"), "missing \"=\" after \"port\" in connection string");
        assert_eq!(refused("user='a"), "unterminated quoted string in connection string");
        assert_eq!(refused("user='a\\"), "unterminated quoted string in connection string");
        assert_eq!(refused("hots=x"), "invalid connection option \"hots\"");
        assert_eq!(refused("=x"), "invalid connection option \"\"");
        assert_eq!(refused("host=\0"), "connection string contains a NUL byte");
        assert!(!refused("password=hun ter2 x=1").contains("ter2"));
    }

    #[test]
    fn uris() {
        assert_eq!(
            shown("postgresql://u%40x:p%2Fw@h1:1,[::1]:2,h3/db%20x?sslmode=verify-full&application_name=a%26b"),
            [
                ("application_name", "a&b".to_owned()),
                ("dbname", "db x".to_owned()),
                ("host", "h1,::1,h3".to_owned()),
                ("password", "p/w".to_owned()),
                ("port", "1,2,".to_owned()),
                ("sslmode", "verify-full".to_owned()),
                ("user", "u@x".to_owned()),
            ]
        );
        assert_eq!(shown("postgres://%2Fvar%2Frun/db"), [("dbname", "db".to_owned()), ("host", "/var/run".to_owned())]);
        assert_eq!(shown("postgresql://"), []);
        assert_eq!(shown("postgresql:///?user=x"), [("user", "x".to_owned())]);
        assert_eq!(shown("postgresql://h?ssl=true"), [("host", "h".to_owned()), ("sslmode", "require".to_owned())]);
        assert_eq!(shown("postgresql://@h/"), [("host", "h".to_owned())]);
        assert_eq!(shown("postgresql://h/a@b"), [("dbname", "a@b".to_owned()), ("host", "h".to_owned())]);
    }

    #[test]
    fn broken_uris() {
        for (text, message) in [
            ("postgresql://[::1", "no matching \"]\" for the IPv6 host address in connection URI"),
            ("postgresql://[]", "IPv6 host address may not be empty in connection URI"),
            ("postgresql://[::1]x", "unexpected character after the IPv6 host address in connection URI"),
            ("postgresql://h?x", "missing key/value separator \"=\" in connection URI query parameter"),
            ("postgresql://h?user=a=b", "extra key/value separator \"=\" in connection URI query parameter"),
            ("postgresql://h?nope=1", "invalid connection option \"nope\""),
            ("postgresql://%zz", "invalid percent-encoded token in connection URI"),
            ("postgresql://a%4", "invalid percent-encoded token in connection URI"),
            ("postgresql://a%00", "forbidden value %00 in connection URI"),
            ("postgresql://a%ff", "connection URI isn't UTF-8 when decoded"),
        ] {
            assert_eq!(refused(text), message, "{text}");
        }
    }

    #[test]
    fn a_password_in_an_argument_is_refused_and_never_shown() {
        for text in ["postgresql://u:sesame@h", "host=h password=sesame", "postgresql://h?password=sesame"] {
            let error = Conninfo::from_argument(text).unwrap_err();
            assert_eq!(error.message(), "connection string holds a password");
            assert!(!format!("{error:?}").contains("sesame"));
            assert!(!format!("{:?}", Conninfo::parse(text).unwrap()).contains("sesame"));
        }
        assert!(Conninfo::from_argument("host=h user=u").is_ok());
    }

    proptest! {
        #[test]
        fn no_string_panics(text in ".*") {
            let _ = Conninfo::parse(&text);
            let _ = Conninfo::parse(&format!("postgresql://{text}"));
        }

        #[test]
        fn a_quoted_value_survives(value in "[^\0]*") {
            let quoted = value.replace('\\', r"\\").replace('\'', r"\'");
            let info = Conninfo::parse(&format!("user='{quoted}' host=h")).unwrap();
            prop_assert_eq!(info.get("user"), Some(value.as_str()));
            prop_assert_eq!(info.get("host"), Some("h"));
        }

        #[test]
        fn a_percent_encoded_value_survives(value in "[^\0]+") {
            let encoded = value.bytes().fold(String::new(), |all, b| all + &format!("%{b:02x}"));
            let info = Conninfo::parse(&format!("postgresql://{encoded}@h/{encoded}?options={encoded}")).unwrap();
            for name in ["user", "dbname", "options"] {
                prop_assert_eq!(info.get(name), Some(value.as_str()));
            }
        }
    }
}
