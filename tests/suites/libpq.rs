//! Connecting, held side by side with psql: the same connection string, environment, password file
//! and service file lead both to the same server as the same user, or neither gets in.
//!
//! Where the tools are stricter than libpq on purpose, the case says so.

mod case;
mod certificates;
mod hosts;
mod passwords;
mod refusals;
mod servers;
mod strings;
mod tls;
mod tls_files;
