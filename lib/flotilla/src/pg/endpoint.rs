//! Where to connect, as whom and how: a connection string with everything looked up.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;

use super::conninfo::Conninfo;
use super::passfile::{self, Lookup};
use super::ssl::Ssl;
use super::surroundings::{self, Surroundings};
use super::{keywords, service};
use crate::error::{Error, Result};

/// Debian's directory for PostgreSQL's Unix sockets.
pub(super) const DEFAULT_SOCKET_DIR: &str = "/var/run/postgresql";

/// One server to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The name that TLS verifies and the password file knows, or the directory of a Unix socket;
    /// empty when only the address is known.
    pub host: String,
    /// The address, where the name needn't be resolved.
    pub hostaddr: Option<IpAddr>,
    /// The port.
    pub port: u16,
}

impl Host {
    /// A server by name.
    pub fn new(host: impl Into<String>, hostaddr: Option<IpAddr>, port: u16) -> Self {
        Self { host: host.into(), hostaddr, port }
    }

    /// Whether it is reached over a Unix socket. An address wins over a directory.
    pub(super) fn is_socket(&self) -> bool {
        self.hostaddr.is_none() && (self.host.is_empty() || self.host.starts_with('/') || self.host.starts_with('@'))
    }

    /// The name that the password file is asked for.
    fn passfile_name(&self) -> String {
        match self.hostaddr {
            Some(address) if self.host.is_empty() => address.to_string(),
            _ => self.host.clone(),
        }
    }
}

/// libpq's `target_session_attrs`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionAttrs {
    /// Any server.
    #[default]
    Any,
    /// One where a transaction may write.
    ReadWrite,
    /// One where a transaction may not write.
    ReadOnly,
    /// One that isn't in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One in recovery; if there is none, any.
    PreferStandby,
}

impl FromStr for SessionAttrs {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            other => {
                return Err(Error::config(format!("invalid target_session_attrs value: \"{}\"", other.escape_debug()))
                    .hint("It is one of any, read-write, read-only, primary, standby, prefer-standby."));
            }
        })
    }
}

/// libpq's `channel_binding`: whether the password exchange is tied to the TLS session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If both sides can.
    #[default]
    Prefer,
    /// Always, or no login.
    Require,
}

/// TCP's own watch over a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tcp {
    pub(super) keepalive: bool,
    pub(super) idle: Option<Duration>,
    pub(super) interval: Option<Duration>,
    pub(super) count: Option<u32>,
    pub(super) user_timeout: Option<u32>,
}

/// Where to connect, as whom and how.
#[derive(Clone)]
pub struct Endpoint {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) dbname: String,
    pub(super) ssl: Ssl,
    pub(super) channel_binding: ChannelBinding,
    pub(super) application_name: Option<String>,
    pub(super) options: Option<String>,
    /// For each address; `None` waits as long as the system does.
    pub(super) connect_timeout: Option<Duration>,
    pub(super) session_attrs: SessionAttrs,
    pub(super) require_peer: Option<String>,
    pub(super) tcp: Tcp,
    password: Option<SecretString>,
    pub(super) passfile: Option<PathBuf>,
}

impl Endpoint {
    /// How long one address is waited for, unless something else is said.
    pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

    /// An endpoint whose hosts, user and database are known. Of the environment only the password
    /// file (`PGPASSFILE`) is used, so that a stray `PGHOST` or `PGSSLMODE` can't redirect or weaken
    /// what the topology says.
    pub fn new(hosts: Vec<Host>, user: impl Into<String>, dbname: impl Into<String>) -> Self {
        let around = Surroundings::process();
        Self {
            hosts,
            user: user.into(),
            dbname: dbname.into(),
            ssl: Ssl::default(),
            channel_binding: ChannelBinding::default(),
            application_name: None,
            options: None,
            connect_timeout: Some(Self::CONNECT_TIMEOUT),
            session_attrs: SessionAttrs::default(),
            require_peer: None,
            tcp: Tcp { keepalive: true, idle: None, interval: None, count: None, user_timeout: None },
            password: None,
            passfile: passfile_path(None, &around),
        }
    }

    /// An endpoint from a connection string given on the command line; what it leaves open comes
    /// from the service file, the environment and libpq's defaults, in that order.
    pub fn from_argument(dsn: &str) -> Result<Self> {
        Self::resolve(Conninfo::from_argument(dsn)?, &Surroundings::process())
    }

    /// An endpoint from options read elsewhere, completed as by [`Endpoint::from_argument`].
    pub fn from_conninfo(info: Conninfo) -> Result<Self> {
        Self::resolve(info, &Surroundings::process())
    }

    /// What TLS has to prove.
    #[must_use]
    pub fn ssl(mut self, ssl: Ssl) -> Self {
        self.ssl = ssl;
        self
    }

    /// The name that `pg_stat_activity` shows.
    #[must_use]
    pub fn application_name(mut self, name: impl Into<String>) -> Self {
        self.application_name = Some(name.into());
        self
    }

    /// How long one address is waited for.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// What the session must be able to do.
    #[must_use]
    pub fn session_attrs(mut self, attrs: SessionAttrs) -> Self {
        self.session_attrs = attrs;
        self
    }

    /// Sets a server setting for the session, from its start. For direct connections: PgBouncer
    /// refuses options that it doesn't know.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let escaped = value.replace('\\', r"\\").replace(' ', r"\ ");
        let options = self.options.get_or_insert_default();
        if !options.is_empty() {
            options.push(' ');
        }
        options.push_str("-c ");
        options.push_str(name);
        options.push('=');
        options.push_str(&escaped);
        self
    }

    /// Logs in with this password, whatever the password file says.
    #[must_use]
    pub fn with_password(mut self, password: SecretString) -> Self {
        self.password = Some(password);
        self
    }

    /// Another database on the same servers.
    #[must_use]
    pub fn dbname(mut self, dbname: impl Into<String>) -> Self {
        self.dbname = dbname.into();
        self
    }

    /// The servers, in the order in which they are tried.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The user.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.dbname
    }

    /// What the password file is asked for at this host.
    pub(super) fn passfile_line(&self, host: &Host) -> String {
        let name = host.passfile_name();
        Lookup { host: &name, port: host.port, dbname: &self.dbname, user: &self.user }.line()
    }

    /// The password for this host, and whether it came from the password file.
    pub(super) fn password(&self, host: &Host) -> Result<Option<(SecretString, bool)>> {
        if let Some(password) = &self.password {
            return Ok(Some((password.clone(), false)));
        }
        let Some(path) = &self.passfile else { return Ok(None) };
        let name = host.passfile_name();
        let lookup = Lookup { host: &name, port: host.port, dbname: &self.dbname, user: &self.user };
        Ok(passfile::find(path, lookup)?.map(|password| (password, true)))
    }

    pub(super) fn resolve(mut info: Conninfo, around: &Surroundings<'_>) -> Result<Self> {
        service::apply(&mut info, around)?;
        for keyword in keywords::KEYWORDS {
            if let Some(value) = keyword.env.and_then(|name| around.var(name)) {
                info.set_default(keyword.name, &value)?;
            }
            keywords::check(keyword, info.get(keyword.name).unwrap_or_default())?;
        }
        let user = match info.given("user") {
            Some(user) => user.to_owned(),
            None => surroundings::account()?,
        };
        Ok(Self {
            hosts: hosts(&info)?,
            dbname: info.given("dbname").unwrap_or(&user).to_owned(),
            user,
            ssl: Ssl::resolve(&info, around)?,
            channel_binding: channel_binding(&info)?,
            application_name: info
                .given("application_name")
                .or_else(|| info.given("fallback_application_name"))
                .map(str::to_owned),
            options: info.given("options").map(str::to_owned),
            connect_timeout: connect_timeout(&info)?,
            session_attrs: info.given("target_session_attrs").map_or(Ok(SessionAttrs::Any), str::parse)?,
            require_peer: info.given("requirepeer").map(str::to_owned),
            tcp: Tcp {
                keepalive: integer(&info, "keepalives")?.is_none_or(|on| on != 0),
                idle: seconds(&info, "keepalives_idle")?,
                interval: seconds(&info, "keepalives_interval")?,
                count: positive(&info, "keepalives_count")?,
                user_timeout: positive(&info, "tcp_user_timeout")?,
            },
            password: info.secret("password"),
            passfile: passfile_path(info.given("passfile"), around),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .field("dbname", &self.dbname)
            .field("ssl", &self.ssl)
            .field("session_attrs", &self.session_attrs)
            .finish_non_exhaustive()
    }
}

fn passfile_path(given: Option<&str>, around: &Surroundings<'_>) -> Option<PathBuf> {
    given
        .map(PathBuf::from)
        .or_else(|| around.var("PGPASSFILE").map(PathBuf::from))
        .or_else(|| around.home().map(|home| home.join(".pgpass")))
}

fn hosts(info: &Conninfo) -> Result<Vec<Host>> {
    let list = |name: &str| info.given(name).map(|value| value.split(',').map(str::to_owned).collect::<Vec<_>>());
    let (names, addresses) = (list("host"), list("hostaddr"));
    if let (Some(names), Some(addresses)) = (&names, &addresses)
        && names.len() != addresses.len()
    {
        let (n, a) = (names.len(), addresses.len());
        return Err(Error::config(format!("could not match {n} host names to {a} hostaddr values")));
    }
    let count = names.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    let ports = list("port").unwrap_or_default();
    if ports.len() > 1 && ports.len() != count {
        return Err(Error::config(format!("could not match {} port numbers to {count} hosts", ports.len())));
    }
    (0..count)
        .map(|index| {
            let nth = |list: &Option<Vec<String>>| list.as_ref().map(|list| list[index].clone()).unwrap_or_default();
            let address = nth(&addresses);
            let hostaddr = match address.as_str() {
                "" => None,
                address => Some(address.parse().map_err(|_| {
                    Error::config(format!("could not parse network address \"{}\"", address.escape_debug()))
                        .hint("hostaddr takes an IP address; a name belongs into host.")
                })?),
            };
            let host = match nth(&names) {
                host if host.is_empty() && hostaddr.is_none() => DEFAULT_SOCKET_DIR.to_owned(),
                host => host,
            };
            let port = match ports.get(index).or_else(|| ports.first()).map_or("", String::as_str).trim() {
                "" => 5432,
                port => port
                    .parse()
                    .ok()
                    .filter(|port| *port != 0)
                    .ok_or_else(|| Error::config(format!("invalid port number: \"{}\"", port.escape_debug())))?,
            };
            Ok(Host { host, hostaddr, port })
        })
        .collect()
}

fn channel_binding(info: &Conninfo) -> Result<ChannelBinding> {
    Ok(match info.given("channel_binding") {
        None | Some("prefer") => ChannelBinding::Prefer,
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        Some(other) => {
            return Err(Error::config(format!("invalid channel_binding value: \"{}\"", other.escape_debug()))
                .hint("It is one of disable, prefer, require."));
        }
    })
}

fn integer(info: &Conninfo, name: &str) -> Result<Option<i32>> {
    let Some(value) = info.given(name) else { return Ok(None) };
    value.trim().parse().map(Some).map_err(|_| {
        let value = value.escape_debug();
        Error::config(format!("invalid integer value \"{value}\" for connection option \"{name}\""))
    })
}

/// An option where zero and less mean the system's default.
fn positive(info: &Conninfo, name: &str) -> Result<Option<u32>> {
    Ok(integer(info, name)?.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0))
}

fn seconds(info: &Conninfo, name: &str) -> Result<Option<Duration>> {
    Ok(positive(info, name)?.map(|n| Duration::from_secs(n.into())))
}

/// libpq's reading: zero and less wait for ever, one second counts as two.
fn connect_timeout(info: &Conninfo) -> Result<Option<Duration>> {
    Ok(match integer(info, "connect_timeout")? {
        None => Some(Endpoint::CONNECT_TIMEOUT),
        Some(n) => u64::try_from(n).ok().filter(|n| *n > 0).map(|n| Duration::from_secs(n.max(2))),
    })
}
