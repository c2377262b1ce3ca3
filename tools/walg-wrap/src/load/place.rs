//! The database that a dump is restored into: empty, or left by a restore that was cut off.
//!
//! While a restore goes on, and when it has failed, the setting `flotilla.restoring` of the database says
//! so: any session there sees it with `SHOW flotilla.restoring`. It isn't one of the database's own
//! objects, so clearing these away leaves it.

use flotilla::error::{Code, Error, Result};
use flotilla::pg::{Session, advisory};
use postgres_protocol::escape::{escape_identifier, escape_literal};

const MARK: &str = "flotilla.restoring";

/// Every catalog of the database that has objects with OIDs.
const CATALOGS: &str = "SELECT string_agg(format('SELECT %s AS what FROM pg_catalog.%I WHERE oid >= 16384%s', \
        CASE WHEN c.relname IN ('pg_class', 'pg_proc', 'pg_type', 'pg_namespace', 'pg_extension', 'pg_publication', \
                                'pg_event_trigger') \
             THEN format('pg_catalog.pg_describe_object(%s, oid, 0)', c.oid) ELSE format('%L', c.relname) END, \
        c.relname, \
        CASE c.relname WHEN 'pg_namespace' THEN $$ AND nspname !~ '^pg_(toast_)?temp_'$$ ELSE '' END), \
        ' UNION ALL ' ORDER BY c.relname <> 'pg_class') \
    FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid \
    WHERE a.attname = 'oid' AND a.attnum > 0 AND c.relkind = 'r' AND NOT c.relisshared \
      AND c.relnamespace = 'pg_catalog'::regnamespace AND pg_catalog.has_table_privilege(c.oid, 'SELECT')";

const SUBSCRIPTIONS: &str = "SELECT 'subscription ' || subname AS what FROM pg_catalog.pg_subscription \
    WHERE subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";

/// What to drop, in an order in which little stands in the way; a few at a time, for each takes locks.
/// What is part of something else goes with it; a partitioned table depends on columns of its own.
const LEFT: &str = "SELECT format('DROP %s IF EXISTS %s CASCADE', i.type, i.identity) \
    FROM (SELECT 1 AS rank, 'pg_event_trigger'::regclass AS catalog, oid FROM pg_catalog.pg_event_trigger \
      UNION ALL SELECT 2, 'pg_publication'::regclass, oid FROM pg_catalog.pg_publication \
      UNION ALL SELECT 3, 'pg_class'::regclass, oid FROM pg_catalog.pg_class \
                WHERE relkind IN ('r', 'p', 'f') AND NOT relispartition \
      UNION ALL SELECT 4, 'pg_class'::regclass, oid FROM pg_catalog.pg_class WHERE relkind IN ('v', 'm') \
      UNION ALL SELECT 5, 'pg_extension'::regclass, oid FROM pg_catalog.pg_extension \
      UNION ALL SELECT 6, 'pg_class'::regclass, oid FROM pg_catalog.pg_class WHERE relkind = 'S' \
      UNION ALL SELECT 7, 'pg_proc'::regclass, oid FROM pg_catalog.pg_proc \
      UNION ALL SELECT 8, 'pg_type'::regclass, t.oid FROM pg_catalog.pg_type AS t \
                LEFT JOIN pg_catalog.pg_class AS c ON c.oid = t.typrelid \
                WHERE t.typelem = 0 AND coalesce(c.relkind = 'c', true) AND t.typtype <> 'm' \
      UNION ALL SELECT 9, 'pg_namespace'::regclass, oid FROM pg_catalog.pg_namespace \
                WHERE nspname !~ '^pg_(toast_)?temp_' \
      UNION ALL SELECT 10, 'pg_operator'::regclass, oid FROM pg_catalog.pg_operator \
      UNION ALL SELECT 10, 'pg_collation'::regclass, oid FROM pg_catalog.pg_collation \
      UNION ALL SELECT 10, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_catalog.pg_foreign_data_wrapper \
      UNION ALL SELECT 10, 'pg_cast'::regclass, oid FROM pg_catalog.pg_cast \
      UNION ALL SELECT 10, 'pg_language'::regclass, oid FROM pg_catalog.pg_language \
      UNION ALL SELECT 10, 'pg_ts_config'::regclass, oid FROM pg_catalog.pg_ts_config \
      UNION ALL SELECT 11, 'pg_ts_dict'::regclass, oid FROM pg_catalog.pg_ts_dict) AS o (rank, catalog, oid) \
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(o.catalog, o.oid, 0) AS i \
    WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
        WHERE d.classid = o.catalog AND d.objid = o.oid AND d.deptype IN ('e', 'i') \
          AND NOT (d.refclassid = d.classid AND d.refobjid = d.objid)) \
    ORDER BY o.rank, o.oid LIMIT 200";

/// Back to what a new database has; PostgreSQL then forgets the entry.
const DEFAULTS: &str = "SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s REVOKE ALL ON %s FROM %s', \
        pg_catalog.pg_get_userbyid(d.defaclrole), \
        coalesce(' IN SCHEMA ' || pg_catalog.quote_ident(n.nspname), ''), k.kind, \
        CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END) \
    FROM pg_catalog.pg_default_acl AS d LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = d.defaclnamespace \
    JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES'), ('f', 'FUNCTIONS'), ('T', 'TYPES'), ('n', 'SCHEMAS')) \
        AS k (objtype, kind) ON k.objtype = d.defaclobjtype::text \
    CROSS JOIN LATERAL pg_catalog.aclexplode(d.defaclacl) AS a \
    UNION SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I GRANT ALL ON %s TO %I%s', \
        pg_catalog.pg_get_userbyid(d.defaclrole), k.kind, pg_catalog.pg_get_userbyid(d.defaclrole), k.others) \
    FROM pg_catalog.pg_default_acl AS d \
    JOIN (VALUES ('r', 'TABLES', ''), ('S', 'SEQUENCES', ''), ('f', 'FUNCTIONS', ', PUBLIC'), \
                 ('T', 'TYPES', ', PUBLIC'), ('n', 'SCHEMAS', '')) AS k (objtype, kind, others) \
        ON k.objtype = d.defaclobjtype::text \
    WHERE d.defaclnamespace = 0 ORDER BY 1 DESC";

/// The database.
pub(super) struct Place {
    pub(super) session: Session,
    database: String,
}

impl Place {
    /// The database that this session is in.
    pub(super) async fn of(session: Session) -> Result<Self> {
        let database = session.value("SELECT pg_catalog.current_database()").await?;
        Ok(Self { session, database: database.unwrap_or_default() })
    }

    /// Keeps other restores away.
    pub(super) async fn lock(&self) -> Result<()> {
        if advisory::try_lock(&self.session, &advisory::Key::Name("walg-wrap fetch logical".to_owned())).await? {
            return Ok(());
        }
        Err(Error::new(Code::LockHeld, format!("another restore is filling database \"{}\"", self.database))
            .hint("Wait until it has ended, or name another database."))
    }

    /// What was being restored when the last restore was cut off, or is being restored.
    pub(super) async fn mark(&self) -> Result<Option<String>> {
        let sql = format!(
            "SELECT substr(setting, {}) FROM pg_catalog.pg_db_role_setting, unnest(setconfig) AS setting \
             WHERE setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
               AND setrole = 0 AND setting LIKE '{MARK}=%'",
            MARK.len() + 2
        );
        self.session.value(&sql).await
    }

    /// Refuses a database that holds anything.
    pub(super) async fn is_empty(&self, hint: &str) -> Result<()> {
        let all = self.session.value(CATALOGS).await?;
        let all = all.ok_or_else(|| Error::new(Code::QueryFailed, "the server has no catalogs"))?;
        let found = self.session.simple(&format!("{all} UNION ALL {SUBSCRIPTIONS} LIMIT 1000")).await?;
        let Some(first) = found.first() else { return Ok(()) };
        let what = first.get(0).unwrap_or("something");
        let more = if found.len() > 1 { format!(" and {} other objects", found.len() - 1) } else { String::new() };
        let more = if found.len() >= 1000 { " and many other objects".to_owned() } else { more };
        Err(Error::refused(format!("database \"{}\" is not empty: it holds {what}{more}", self.database)).hint(hint))
    }

    /// Marks it.
    pub(super) async fn set_mark(&self, dump: &str) -> Result<()> {
        let (database, dump) = (escape_identifier(&self.database), escape_literal(dump));
        self.session.simple(&format!("ALTER DATABASE {database} SET {MARK} = {dump}")).await.map(drop)
    }

    /// Takes the mark away: it is restored. The commit is durable, and with it all before it.
    pub(super) async fn clear_mark(&self) -> Result<()> {
        let database = escape_identifier(&self.database);
        self.session.simple("SET synchronous_commit = on").await?;
        self.session.simple(&format!("ALTER DATABASE {database} RESET {MARK}")).await.map(drop)
    }

    /// Drops what a restore that was cut off has left. Only a database that was found empty ever had
    /// the mark, so nothing else is there.
    pub(super) async fn clear(&self) -> Result<()> {
        self.session.simple("SET lock_timeout = '30s'; SET client_min_messages = warning").await?;
        self.nobody_else().await?;
        let mut last = Vec::new();
        loop {
            let rows = self.session.simple(LEFT).await?;
            let drops: Vec<String> = rows.iter().filter_map(|row| row.get(0).map(str::to_owned)).collect();
            // What can't be dropped is told by whoever looks whether all is gone.
            if drops.is_empty() || drops == last {
                break;
            }
            for sql in &drops {
                self.session.simple(sql).await?;
            }
            last = drops;
        }
        loop {
            let unlink = "SELECT pg_catalog.lo_unlink(oid) FROM \
                          (SELECT oid FROM pg_catalog.pg_largeobject_metadata LIMIT 500) AS those";
            if self.session.simple(unlink).await?.is_empty() {
                break;
            }
        }
        for row in self.session.simple(DEFAULTS).await? {
            if let Some(sql) = row.get(0) {
                self.session.simple(sql).await?;
            }
        }
        self.is_empty("It is what an earlier restore has left. Drop the database and make it again.").await
    }

    /// Waits until the sessions of a restore that was killed have ended.
    async fn nobody_else(&self) -> Result<()> {
        let others = "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = pg_catalog.current_database() \
                      AND pid <> pg_catalog.pg_backend_pid() AND application_name LIKE 'flotilla restore %'";
        for _ in 0..300 {
            if self.session.value(others).await?.as_deref() == Some("0") {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(Error::new(Code::LockHeld, "sessions of an earlier restore are still at work")
            .hint("Wait for them, or end them with pg_terminate_backend()."))
    }
}
