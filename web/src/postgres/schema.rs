//! The tables, as text.

/// The tables of [`PostgresStore`](super::PostgresStore). The store never applies this text by
/// itself.
///
/// Apply it once, as the owner of the schema, and give the role of the application its rights:
///
/// ```sql
/// GRANT SELECT, INSERT, UPDATE, DELETE ON tokenkeep_web, tokenkeep_web_lease TO the_role;
/// ```
///
/// The store names the tables without a schema, so they have to be on the `search_path` of that
/// role.
///
/// - `keep_until` is a day of UTC. An index has it, and it changes once a day at most, so that
///   other updates are HOT: they write no index. A value stays up to a day longer for this.
/// - The value is ciphertext, which does not compress: `EXTERNAL` spares the attempt.
/// - Leases are logged, so that standby servers have them. The commit of a lease waits for no disk,
///   and for standby servers only with
///   [`Durability::Replicated`](crate::store::Durability::Replicated).
pub const SCHEMA: &str = "\
CREATE TABLE tokenkeep_web (
    id         bytea PRIMARY KEY,
    app        text  NOT NULL,
    mark       bytea NOT NULL,
    key_id     bytea NOT NULL,
    keep_until date  NOT NULL,
    value      bytea NOT NULL
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0.02,
    toast.autovacuum_vacuum_scale_factor = 0.02
);
ALTER TABLE tokenkeep_web ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX tokenkeep_web_keep_until ON tokenkeep_web (keep_until);
CREATE TABLE tokenkeep_web_lease (
    id    bytea PRIMARY KEY,
    owner bytea NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
";

/// The same tables with the values in 16 parts, in place of [`SCHEMA`].
///
/// At some ten million values one vacuum of one table takes too long. Parts are vacuumed at the
/// same time.
pub const SCHEMA_IN_PARTS: &str = "\
CREATE TABLE tokenkeep_web (
    id         bytea PRIMARY KEY,
    app        text  NOT NULL,
    mark       bytea NOT NULL,
    key_id     bytea NOT NULL,
    keep_until date  NOT NULL,
    value      bytea NOT NULL
) PARTITION BY HASH (id);
ALTER TABLE tokenkeep_web ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX tokenkeep_web_keep_until ON tokenkeep_web (keep_until);
DO $$
BEGIN
    FOR part IN 0..15 LOOP
        EXECUTE format(
            'CREATE TABLE tokenkeep_web_%s PARTITION OF tokenkeep_web
             FOR VALUES WITH (MODULUS 16, REMAINDER %s) WITH (
                 fillfactor = 70,
                 autovacuum_vacuum_scale_factor = 0.02,
                 toast.autovacuum_vacuum_scale_factor = 0.02
             )',
            part, part);
    END LOOP;
END
$$;
CREATE TABLE tokenkeep_web_lease (
    id    bytea PRIMARY KEY,
    owner bytea NOT NULL,
    until timestamptz NOT NULL
) WITH (fillfactor = 50);
";
