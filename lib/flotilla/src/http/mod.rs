//! HTTP: asking servers that speak it, and being one.

mod client;
mod door;
mod server;

pub use client::{Answer, Client, Request};
pub use door::{Door, Token};
pub use server::{Listening, serve};
