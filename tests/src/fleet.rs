//! PostgreSQL servers as the shards of a cluster, with topology, roles and passwords.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::{Deref, DerefMut};
use std::thread;

use flotilla_native::postgres::{Options, Server, Template};

use crate::sandbox::Sandbox;
use crate::tls::Identity;
use crate::topology::{NodeEntry, ShardEntry, Topology};
use crate::wait::until;

mod secrets;
mod template;

pub use secrets::PASSWORDS;

/// Running servers and the sandbox in which tools know them.
#[derive(Debug)]
pub struct Fleet {
    /// The shards, `s0` first.
    pub shards: Vec<Shard>,
    /// What `flotilla.toml` says; change it and write it with [`Fleet::write_topology`].
    pub topology: Topology,
    sandbox: Sandbox,
}

/// One shard.
#[derive(Debug)]
pub struct Shard {
    /// Its name.
    pub name: String,
    /// Its servers, the first primary first.
    pub nodes: Vec<Node>,
}

/// One server of a shard.
#[derive(Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The server.
    pub server: Server,
}

/// What a fleet is to be.
#[derive(Debug)]
pub struct Builder {
    name: String,
    shards: u8,
    replicas: u8,
    key_type: String,
    buckets: u32,
    init: bool,
    options: Options,
    tls: Option<Identity>,
}

impl Fleet {
    /// A fleet to be: one cluster `demo` of two shards without replicas, not yet set up.
    #[expect(clippy::new_ret_no_self, reason = "a fleet is started, not constructed")]
    pub fn new() -> Builder {
        Builder {
            name: "demo".to_owned(),
            shards: 2,
            replicas: 0,
            key_type: "bigint".to_owned(),
            buckets: 1024,
            init: false,
            options: Options::default(),
            tls: None,
        }
    }

    /// The first server of a shard: its primary, unless the test has changed that.
    pub fn primary(&self, shard: usize) -> &Server {
        &self.shards[shard].nodes[0].server
    }

    /// A later server of a shard.
    pub fn replica(&self, shard: usize, replica: usize) -> &Server {
        &self.shards[shard].nodes[replica + 1].server
    }

    /// Runs SQL on a shard as the superuser, past all tools.
    #[track_caller]
    pub fn sql(&self, shard: usize, sql: &str) -> String {
        let done = self.primary(shard).sql_in(&self.topology.dbname, sql);
        done.unwrap_or_else(|e| panic!("{sql}: {}", e.text("sql")))
    }

    /// Keeps each shard's database as it is, for [`Fleet::reset`] to go back to. Nobody may be connected to it.
    pub fn keep(&self) {
        for at in 0..self.shards.len() {
            self.server_sql(at, &format!("CREATE DATABASE kept TEMPLATE {}", self.topology.dbname));
        }
    }

    /// Each shard's database as it was when it was kept.
    pub fn reset(&self) {
        let dbname = &self.topology.dbname;
        for at in 0..self.shards.len() {
            self.server_sql(at, &format!("DROP DATABASE {dbname} WITH (FORCE)"));
            self.server_sql(at, &format!("CREATE DATABASE {dbname} TEMPLATE kept"));
            // Settings of a role in a database don't come with the template.
            self.server_sql(at, &format!("ALTER ROLE migrator IN DATABASE {dbname} SET role = owner"));
        }
    }

    fn server_sql(&self, shard: usize, sql: &str) {
        let done = self.primary(shard).sql(sql);
        done.unwrap_or_else(|e| panic!("{sql}: {}", e.text("sql")));
    }

    /// Writes the topology as it is now.
    pub fn write_topology(&mut self) {
        let text = self.topology.to_string();
        self.sandbox.topology(text);
    }

    /// What all shards hold that a tool could have changed, as one text: to be compared before and
    /// after something that must touch nothing.
    pub fn state(&self) -> String {
        let mut state = String::new();
        for (at, shard) in self.shards.iter().enumerate() {
            let relations = "SELECT string_agg(n.nspname || '.' || c.relname || ' ' || coalesce(c.relacl::text, '-'), E'\\n' \
                             ORDER BY 1) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                             WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'";
            let roles =
                "SELECT string_agg(rolname || ' ' || coalesce(rolpassword, '-'), E'\\n' ORDER BY 1) FROM pg_authid";
            let is_set_up = "SELECT to_regclass('flotilla.ownership') IS NOT NULL";
            // A session takes longer than what is asked on it.
            let shown = self.sql(at, &[relations, roles, is_set_up].join(";\n"));
            let _ = writeln!(state, "{}\n{shown}", shard.name);
            if shown.ends_with("\nt") {
                let rows = ["version", "ownership", "tables", "ledger"].map(|table| {
                    format!("SELECT string_agg(t::text, E'\\n' ORDER BY t::text) FROM flotilla.{table} t")
                });
                let _ = writeln!(state, "{}", self.sql(at, &rows.join(";\n")));
            }
        }
        state
    }
}

impl Deref for Fleet {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

impl DerefMut for Fleet {
    fn deref_mut(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

impl Builder {
    /// The cluster's name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// How many shards.
    #[must_use]
    pub fn shards(mut self, shards: u8) -> Self {
        self.shards = shards;
        self
    }

    /// How many streaming replicas each shard has.
    #[must_use]
    pub fn replicas(mut self, replicas: u8) -> Self {
        self.replicas = replicas;
        self
    }

    /// The type of the shard key.
    #[must_use]
    pub fn key_type(mut self, key_type: &str) -> Self {
        key_type.clone_into(&mut self.key_type);
        self
    }

    /// How many buckets.
    #[must_use]
    pub fn buckets(mut self, buckets: u32) -> Self {
        self.buckets = buckets;
        self
    }

    /// Sets the shards up as `shardctl init` does.
    #[must_use]
    pub fn init(mut self) -> Self {
        self.init = true;
        self
    }

    /// Sets a parameter of every server.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.options = self.options.set(name, value);
        self
    }

    /// Gives every server segments of WAL of this size, in MiB. What reads or writes many of them takes a fraction of
    /// the time where they are small.
    #[must_use]
    pub fn segments(mut self, megabytes: u16) -> Self {
        self.options = self.options.segments(megabytes);
        self
    }

    /// Puts every server on a disk and each commit with it, as where it matters; what is measured in memory
    /// leaves out what most of a small transaction's time goes to.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.options = self.options.below(std::env::temp_dir());
        ["fsync", "synchronous_commit", "full_page_writes"].iter().fold(self, |fleet, name| fleet.set(name, "on"))
    }

    /// Puts a line before the rest of every server's `pg_hba.conf`.
    #[must_use]
    pub fn rule(mut self, line: &str) -> Self {
        self.options = self.options.rule(line);
        self
    }

    /// Lets the servers archive, once [`Fleet::archive`] has said where to.
    #[must_use]
    pub fn archiving(self) -> Self {
        self.set("archive_mode", "on").set("archive_timeout", "60")
    }

    /// Lets every local user in without a password, for runs that have no password file.
    #[must_use]
    pub fn trusting(self) -> Self {
        self.rule("local all all trust")
    }

    /// Lets the servers listen on a loopback address too, for programs that know no Unix sockets. The
    /// tools connect as before.
    #[must_use]
    pub fn listening(mut self) -> Self {
        self.options = self.options.listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        self
    }

    /// Puts the servers on TCP, with this certificate; tools connect to `localhost` by `verify-full`.
    #[must_use]
    pub fn tls(mut self, identity: Identity) -> Self {
        self.tls = Some(identity);
        self
    }

    /// Starts all servers at once and writes what tools need to know of them.
    pub fn start(self) -> Fleet {
        let mut sandbox = Sandbox::new();
        let options = self.options_in(&sandbox);
        let shards: Vec<Shard> = thread::scope(|scope| {
            let (builder, options) = (&self, &options);
            let starting: Vec<_> = template::of_shards(builder)
                .into_iter()
                .zip(0_u8..)
                .map(|(template, number)| scope.spawn(move || builder.shard(number, &template, options)))
                .collect();
            starting.into_iter().map(|shard| shard.join().expect("a shard starts")).collect()
        });
        secrets::give(&mut sandbox);
        let topology = self.topology(shards.iter().map(|shard| entry(shard, self.tls.is_some())).collect());
        let mut fleet = Fleet { shards, topology, sandbox };
        fleet.write_topology();
        fleet
    }

    /// What `flotilla.toml` says of such a fleet.
    fn topology(&self, shards: Vec<ShardEntry>) -> Topology {
        let tls = self.tls.is_some().then(|| "sslrootcert = \"tls/ca.crt\"".to_owned());
        Topology {
            name: self.name.clone(),
            buckets: self.buckets,
            key_type: self.key_type.clone(),
            connect: tls.into_iter().collect(),
            rest: "[secrets]\nverifiers = \"secrets/userlist.txt\"\n".to_owned(),
            shards,
            ..Topology::default()
        }
    }

    fn options_in(&self, sandbox: &Sandbox) -> Options {
        let Some(identity) = &self.tls else { return self.options.clone() };
        let tls = identity.write(sandbox);
        // The superuser has no password; over TCP the caller's address must do.
        self.options
            .clone()
            .rule("host all postgres samehost trust")
            .listen(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
            .tls(tls)
    }

    fn shard(&self, number: u8, template: &Template, options: &Options) -> Shard {
        let start = |result: flotilla::Result<Server>| result.unwrap_or_else(|e| panic!("{}", e.text("postgres")));
        let primary = start(Server::start(template, options.clone()));
        let replicas = thread::scope(|scope| {
            let (primary, start) = (&primary, &start);
            let follow = move || start(primary.follower(template, options.clone()));
            let starting: Vec<_> = (0..self.replicas).map(|_| scope.spawn(follow)).collect();
            starting.into_iter().map(|replica| replica.join().expect("a replica starts")).collect::<Vec<_>>()
        });
        let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
        until("all replicas stream", || {
            primary.sql(streaming).is_ok_and(|count| count == self.replicas.to_string()).then_some(())
        });
        let name = format!("s{number}");
        let servers = std::iter::once(primary).chain(replicas);
        let nodes = ('a'..).zip(servers).map(|(letter, server)| Node { name: format!("{name}-{letter}"), server });
        Shard { nodes: nodes.collect(), name }
    }
}

fn entry(shard: &Shard, tcp: bool) -> ShardEntry {
    let nodes = shard.nodes.iter().map(|node| {
        let socket = node.server.socket_folder().display().to_string();
        let host = if tcp { "localhost".to_owned() } else { socket };
        NodeEntry { name: node.name.clone(), host, port: node.server.port() }
    });
    ShardEntry { name: shard.name.clone(), initial_buckets: None, nodes: nodes.collect() }
}
