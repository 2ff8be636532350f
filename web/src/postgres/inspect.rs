//! The server's settings and the tables.

use std::time::SystemTime;

use tokio::time::Instant;
use tokio_postgres::Client;

use super::step::{Step, Trouble};
use crate::store::{Advice, Inspection};

/// Looks at the settings of the server and at the tables.
pub(super) struct Inspect;

impl Step for Inspect {
    type Answer = Inspection;

    const WRITES: bool = false;

    async fn run(&self, client: &Client, _end: Instant) -> Result<Inspection, Trouble> {
        let mut found = Inspection::new("PostgreSQL");
        for row in client.query_typed(SERVER, &[]).await? {
            let version: String = row.try_get("version")?;
            found.engine = format!("PostgreSQL {}", version.escape_debug());
            found.now = Some(row.try_get::<_, SystemTime>("now")?);
            for (column, what, next_step) in SERVER_ADVICE {
                if row.try_get(*column)? {
                    found.advice.push(Advice::new(*what, *next_step));
                }
            }
        }
        for row in client.query_typed(TABLES, &[]).await? {
            let table: String = row.try_get("name")?;
            for (column, what, next_step) in TABLE_ADVICE {
                if row.try_get(*column)? {
                    found.advice.push(Advice::new(format!("{table} {what}."), *next_step));
                }
            }
        }
        Ok(found)
    }
}

/// A column of the query that is true if something is wrong, what it is, and what to do.
type Finding = (&'static str, &'static str, &'static str);

const SERVER_ADVICE: &[Finding] = &[
    (
        "is_old",
        "The server is older than PostgreSQL 13.",
        "Use PostgreSQL 13 or newer; the store is not tested with older ones.",
    ),
    (
        "is_standby",
        "The server is a standby server, which only reads.",
        "Connect to the primary; `target_session_attrs=read-write` finds it.",
    ),
    (
        "is_without_fsync",
        "The setting fsync or full_page_writes is off: a crash can destroy the database.",
        "Set fsync and full_page_writes to on.",
    ),
    (
        "is_without_autovacuum",
        "The setting autovacuum is off: the table grows with each save.",
        "Set autovacuum to on.",
    ),
    (
        "is_plain",
        "The connection to the server is not encrypted, and not on this machine.",
        "Connect with TLS and `sslmode=require`.",
    ),
];

const SERVER: &str = "\
SELECT current_setting('server_version') AS version, clock_timestamp() AS now,
    current_setting('server_version_num')::int4 < 130000 AS is_old,
    pg_is_in_recovery() AS is_standby,
    'off' IN (current_setting('fsync'), current_setting('full_page_writes')) AS is_without_fsync,
    current_setting('autovacuum') = 'off' AS is_without_autovacuum,
    NOT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
        AND NOT coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1', true)
        AS is_plain";

const APPLY: &str = "Apply the text tokenkeep_web::postgres::SCHEMA, in a schema of the role's \
                     search_path.";
const COMPARE: &str = "Compare it with the text tokenkeep_web::postgres::SCHEMA.";

const TABLE_ADVICE: &[Finding] = &[
    ("is_missing", "is missing", APPLY),
    ("has_other_columns", "has other columns or types", COMPARE),
    ("is_without_key", "has no primary key on the column id", COMPARE),
    (
        "is_without_index",
        "has no index on the column keep_until, so removing old values reads all of it",
        "Create it as in the text tokenkeep_web::postgres::SCHEMA.",
    ),
    (
        "is_unlogged",
        "is unlogged, or has a part that is: a crash empties it, and all users are signed out",
        "Run ALTER TABLE … SET LOGGED.",
    ),
    (
        "has_unlogged_leases",
        "is unlogged: a failover loses all leases, so a second node may spend a refresh token",
        "Run ALTER TABLE tokenkeep_web_lease SET LOGGED.",
    ),
    (
        "is_without_autovacuum",
        "has the option autovacuum_enabled = false, so it grows with each save",
        "Run ALTER TABLE … RESET (autovacuum_enabled).",
    ),
    (
        "is_without_rights",
        "refuses this role a right",
        "Grant SELECT, INSERT, UPDATE and DELETE on it to the role.",
    ),
];

/// A row for each table. A table that is missing has only this one fault.
const TABLES: &str = "\
SELECT wanted.name,
    c.oid IS NULL AS is_missing,
    c.oid IS NOT NULL AND NOT columns <@ coalesce((
        SELECT array_agg(a.attname || ' ' || format_type(a.atttypid, NULL))
        FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ), '{}') AS has_other_columns,
    c.oid IS NOT NULL AND NOT EXISTS (
        SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'id'
        WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1
            AND i.indkey[0] = a.attnum
    ) AS is_without_key,
    c.oid IS NOT NULL AND is_value AND NOT EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'keep_until'
        WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum
    ) AS is_without_index,
    c.oid IS NOT NULL AND is_value AND EXISTS (
        SELECT FROM pg_class AS p
        WHERE (p.oid = c.oid OR p.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid))
            AND p.relpersistence <> 'p'
    ) AS is_unlogged,
    c.oid IS NOT NULL AND NOT is_value AND c.relpersistence <> 'p' AS has_unlogged_leases,
    c.oid IS NOT NULL AND EXISTS (
        SELECT FROM pg_class AS p
        WHERE (p.oid = c.oid OR p.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = c.oid))
            AND p.reloptions && ARRAY['autovacuum_enabled=false',
            'autovacuum_enabled=off', 'autovacuum_enabled=0']
    ) AS is_without_autovacuum,
    c.oid IS NOT NULL AND NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
    ) AS is_without_rights
FROM (VALUES
    ('tokenkeep_web', true,
        ARRAY['id bytea', 'app text', 'mark bytea', 'key_id bytea', 'keep_until date',
            'value bytea']),
    ('tokenkeep_web_lease', false,
        ARRAY['id bytea', 'owner bytea', 'until timestamp with time zone'])
) AS wanted (name, is_value, columns)
LEFT JOIN pg_class AS c ON c.oid = to_regclass(wanted.name)
ORDER BY wanted.name";
