//! What proxies amount to, with the defaults that hold for them: timeouts, servers, checks.

use super::cfg::{Cfg, Line, Section};

/// The kinds of sections that have servers.
const BACKENDS: &[&str] = &["backend", "listen"];

/// A frontend, a backend, or both in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proxy<'a> {
    cfg: &'a Cfg,
    /// Its own section.
    pub(crate) section: &'a Section,
}

/// A server of a backend, with what `default-server` adds.
#[derive(Clone, Debug)]
pub(crate) struct Server<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// Its host.
    pub(crate) host: &'a str,
    /// Its port.
    pub(crate) port: Option<u16>,
    /// The line that it stands on.
    pub(crate) line: usize,
    words: Vec<&'a str>,
}

impl<'a> Server<'a> {
    /// The last value given for a word.
    pub(crate) fn value(&self, word: &str) -> Option<&'a str> {
        let at = self.words.iter().rposition(|own| *own == word)?;
        self.words.get(at + 1).copied()
    }

    /// Whether a word was given, and not taken back by its opposite.
    pub(crate) fn has(&self, word: &str) -> bool {
        let no = format!("no-{word}");
        match self.words.iter().rposition(|own| *own == word) {
            Some(at) => !self.words[at..].iter().any(|own| *own == no),
            None => false,
        }
    }

    /// A time in milliseconds.
    pub(crate) fn millis(&self, word: &str) -> Option<u64> {
        self.value(word).and_then(millis)
    }
}

impl<'a> Proxy<'a> {
    /// Every proxy of these kinds.
    pub(crate) fn all(cfg: &'a Cfg, kinds: &'a [&'a str]) -> impl Iterator<Item = Self> {
        cfg.sections.iter().filter(|s| kinds.contains(&s.kind.as_str())).map(move |section| Self { cfg, section })
    }

    /// The backend of this name.
    pub(crate) fn backend(cfg: &'a Cfg, name: &str) -> Option<Self> {
        Self::all(cfg, BACKENDS).find(|proxy| proxy.section.name == name)
    }

    /// The sections that hold for it, its own first.
    fn chain(self) -> impl Iterator<Item = &'a Section> {
        let cfg = self.cfg;
        std::iter::successors(Some(self.section), move |section| section.defaults.and_then(|at| cfg.sections.get(at)))
    }

    /// Its own lines that begin with these words.
    pub(crate) fn own(self, words: &'a [&'a str]) -> impl Iterator<Item = &'a Line> {
        self.section.lines.iter().filter(move |line| line.is(words))
    }

    /// The line that decides: the last of its own, else of the defaults.
    pub(crate) fn deciding(self, words: &[&str]) -> Option<&'a Line> {
        self.chain().find_map(|section| section.lines.iter().rev().find(|line| line.is(words)))
    }

    /// A time limit in milliseconds; none where there is no limit.
    pub(crate) fn timeout(self, what: &str) -> Option<u64> {
        let line = self.deciding(&["timeout", what])?;
        line.words.get(2).and_then(|time| millis(time)).filter(|time| *time > 0)
    }

    /// The line of a time limit, else its own first.
    pub(crate) fn line_of(self, words: &[&str]) -> usize {
        self.deciding(words).map_or(self.section.line, |line| line.number)
    }

    /// `tcp`, or `http`.
    pub(crate) fn mode(self) -> &'a str {
        self.deciding(&["mode"]).and_then(|line| line.words.get(1)).map_or("tcp", String::as_str)
    }

    /// The ports that it listens on, with their addresses.
    pub(crate) fn binds(self) -> Vec<(&'a str, u16)> {
        let words = self.own(&["bind"]).filter_map(|line| line.words.get(1));
        words
            .flat_map(|word| word.split(','))
            .filter_map(|place| {
                let (host, port) = place.rsplit_once(':')?;
                Some((host, port.parse().ok()?))
            })
            .collect()
    }

    /// The backends that a frontend leads to; itself where it is both.
    pub(crate) fn leads_to(self) -> Vec<Self> {
        if self.section.kind == "listen" {
            return vec![self];
        }
        let lines = self.chain().flat_map(|section| &section.lines);
        let used = lines.filter(|line| line.is(&["default_backend"]) || line.is(&["use_backend"]));
        used.filter_map(|line| Self::backend(self.cfg, line.words.get(1)?)).collect()
    }

    /// Its servers.
    pub(crate) fn servers(self) -> Vec<Server<'a>> {
        let mut before: Vec<&Section> = self.chain().collect();
        before.reverse();
        let mut common: Vec<&str> = Vec::new();
        let mut servers = Vec::new();
        for section in before {
            for line in &section.lines {
                if line.is(&["default-server"]) {
                    common.extend(line.words[1..].iter().map(String::as_str));
                } else if line.is(&["server"]) && line.words.len() >= 3 {
                    let place = line.words[2].as_str();
                    let (host, port) = match place.rsplit_once(':') {
                        Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
                        _ => (place, None),
                    };
                    let own = line.words[3..].iter().map(String::as_str);
                    let words = common.iter().copied().chain(own).collect();
                    servers.push(Server { name: &line.words[1], host, port, line: line.number, words });
                }
            }
        }
        servers
    }

    /// The path that its check asks for, over HTTP or by hand over TCP.
    pub(crate) fn checked_path(self) -> Option<&'a str> {
        let words = self.check_lines().flat_map(|line| &line.words);
        words.flat_map(|word| word.split([' ', '\r', '\n'])).find(|word| word.starts_with('/'))
    }

    /// The ports that its check connects to besides the servers' own.
    pub(crate) fn checked_ports(self) -> Vec<u16> {
        let lines = self.check_lines().filter(|line| line.words.get(1).is_some_and(|word| word == "connect"));
        lines.filter_map(|line| line.after("port").and_then(|port| port.parse().ok())).collect()
    }

    /// Whether its check connects to the servers' own port at some step.
    pub(crate) fn checks_own_port(self) -> bool {
        let mut connects = self.check_lines().filter(|line| line.words.get(1).is_some_and(|word| word == "connect"));
        connects.any(|line| line.after("port").is_none())
    }

    /// The lines that make the check.
    fn check_lines(self) -> impl Iterator<Item = &'a Line> {
        self.chain().flat_map(|section| &section.lines).filter(|line| {
            line.is(&["option", "httpchk"])
                || line.is(&["http-check", "send"])
                || line.is(&["http-check", "connect"])
                || line.is(&["tcp-check", "send"])
                || line.is(&["tcp-check", "connect"])
        })
    }
}

/// HAProxy's times: milliseconds, or a number with its unit.
pub(crate) fn millis(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..end].parse().ok()?;
    match &text[end..] {
        "us" => Some(number / 1000),
        "" | "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_take_what_the_defaults_add() {
        let cfg = Cfg::parse(
            "defaults\n timeout client 30m\n default-server inter 1s fall 2 on-marked-down shutdown-sessions\n\
             backend b\n option httpchk OPTIONS /primary\n server a 127.0.0.1:5432 check port 8008 fall 3\n",
        );
        let backend = Proxy::backend(&cfg, "b").expect("a backend");
        let servers = backend.servers();
        let server = &servers[0];
        assert_eq!((server.host, server.port, server.millis("inter")), ("127.0.0.1", Some(5432), Some(1000)));
        assert_eq!((server.value("fall"), server.has("check"), server.has("backup")), (Some("3"), true, false));
        assert_eq!((backend.timeout("client"), backend.checked_path()), (Some(1_800_000), Some("/primary")));
    }

    #[test]
    fn a_check_by_hand_is_read_too() {
        let cfg = Cfg::parse(
            "backend b\n option tcp-check\n tcp-check connect port 6432\n tcp-check connect port 8008\n \
             tcp-check send \"OPTIONS /replica?lag=1 HTTP/1.0\\r\\n\\r\\n\"\n",
        );
        let backend = Proxy::backend(&cfg, "b").expect("a backend");
        assert_eq!((backend.checked_path(), backend.checked_ports()), (Some("/replica?lag=1"), vec![6432, 8008]));
    }
}
