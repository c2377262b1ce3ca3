//! The architecture as plain processes, without containers.
//!
//! The binary `stack` brings a whole fleet up and down. The library is what it is made of, and
//! what tests start single servers with: [`postgres`] and [`guard`].

pub mod account;
pub mod authority;
pub mod change;
mod clients;
mod cut;
pub mod down;
pub mod fault;
pub mod files;
pub mod guard;
pub mod kept;
pub mod member;
pub mod minio;
pub mod parts;
pub mod places;
pub mod plan;
pub mod ports;
pub mod postgres;
mod preflight;
pub mod process;
mod rendering;
mod second_region;
pub mod secrets;
mod settings;
mod show;
pub mod stack;
pub mod supervisor;
pub mod up;
pub mod watchdog;
