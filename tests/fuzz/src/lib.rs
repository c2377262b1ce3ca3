//! What reads foreign bytes, as functions of bytes: libFuzzer and the tests call the same ones.
//!
//! Each asserts more than that nothing panics: that what is accepted is understood the same when it is
//! written and read again, that output is JSON where it must be, that a secret stays one, and that no
//! bytes make an error which says "this is a bug".

mod addresses;
mod backupfiles;
mod conninfo;
mod copy;
mod documents;
mod haproxy;
mod keys;
mod lines;
mod map;
mod mutate;
mod packed;
mod passfile;
mod pgbouncer;
mod protocol;
mod route;
mod service;
mod targets;
mod tars;
mod topology;
mod values;
mod verifiers;
mod wal;

pub use mutate::Mutations;

use flotilla::{Code, Error};

/// One reader of foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of the libFuzzer target and of the folder of its corpus.
    pub name: &'static str,
    /// Reads the bytes, and panics when something doesn't hold.
    pub run: fn(&[u8]),
}

/// Every one.
pub const TARGETS: &[Target] = &[
    Target { name: "addresses", run: addresses::run },
    Target { name: "backupfiles", run: backupfiles::run },
    Target { name: "conninfo", run: conninfo::run },
    Target { name: "copy", run: copy::run },
    Target { name: "documents", run: documents::run },
    Target { name: "haproxy", run: haproxy::run },
    Target { name: "keys", run: keys::run },
    Target { name: "lines", run: lines::run },
    Target { name: "map", run: map::run },
    Target { name: "packed", run: packed::run },
    Target { name: "passfile", run: passfile::run },
    Target { name: "pgbouncer", run: pgbouncer::run },
    Target { name: "protocol", run: protocol::run },
    Target { name: "route", run: route::run },
    Target { name: "service", run: service::run },
    Target { name: "targets", run: targets::run },
    Target { name: "tars", run: tars::run },
    Target { name: "topology", run: topology::run },
    Target { name: "values", run: values::run },
    Target { name: "verifiers", run: verifiers::run },
    Target { name: "wal", run: wal::run },
];

/// Runs the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(bytes);
}

/// What holds for an error that foreign bytes are the cause of.
fn refusal(error: &Error) {
    assert_ne!(error.code(), Code::Internal, "foreign bytes are no bug: {error:?}");
    assert!(!error.message().is_empty());
}

/// The bytes as text up to the first line feed, and the text after it.
fn parts(bytes: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(bytes).ok()?.split_once('\n')
}
