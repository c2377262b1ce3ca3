//! Base backups of real servers: made here or by WAL-G, restored here or by WAL-G, and compared.

mod copy;
mod engine;
mod fetch;
mod folder;
mod full_disk;
mod interrupted;
mod logical;
mod ls;
mod permanence;
mod push;
mod retain;
mod scale;
mod segments;
mod source;
mod timelines;
mod unproven;
mod verify;
pub(crate) mod walg;
