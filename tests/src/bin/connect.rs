//! Connects as the tools do and says who it became: the counterpart of `psql` in `suites/libpq`.
//!
//! `connect DSN SQL` prints the first row of the SQL with `|` between its values, or the error as
//! the contract's object, and ends with 0 or 1.

use std::io::Write as _;
use std::process::ExitCode;

use flotilla::pg::Endpoint;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    flotilla::tls::install();
    let mut args = std::env::args().skip(1);
    let (dsn, sql) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
    let (text, code) = match identity(&dsn, &sql).await {
        Ok(line) => (line, ExitCode::SUCCESS),
        Err(error) => (serde_json::to_string(&error.record()).unwrap_or_default(), ExitCode::FAILURE),
    };
    match writeln!(std::io::stdout(), "{text}") {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn identity(dsn: &str, sql: &str) -> flotilla::Result<String> {
    let session = Endpoint::from_argument(dsn)?.connect().await?;
    let rows = session.simple(sql).await?;
    let line = rows.first().map_or_else(String::new, |row| {
        (0..row.len()).map(|index| row.get(index).unwrap_or_default()).collect::<Vec<_>>().join("|")
    });
    session.close().await;
    Ok(line)
}
