//! Placement held to the servers: random keys in real hash partitions, and the keys at the edges.

mod edges;
mod random;

use flotilla::placement::KeyType;
use flotilla_native::postgres::Server;
use tokio_postgres::{Client, NoTls};

/// A session of the superuser's in the application's database, past the library under test.
async fn session(server: &Server) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.conninfo("app"), NoTls).await.expect("a session");
    tokio::spawn(async move { connection.await.expect("the session ends in order") });
    client
}

/// The server's bucket for each key, which it reads from text by the type's own input function.
async fn server_buckets(client: &Client, kind: KeyType, keys: &[String]) -> Result<Vec<i32>, tokio_postgres::Error> {
    let sql =
        format!("SELECT flotilla.bucket(k::{kind}) FROM unnest($1::text[]) WITH ORDINALITY AS u (k, n) ORDER BY n");
    let rows = client.query(&sql, &[&keys]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
