//! The engine's settings, and which put the sign-ins at risk.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use redis::Value;

use super::{backend::Backend, failure::unreachable, link::Link};
use crate::store::{Advice, Inspection, StoreError};

/// Looks at all servers that take writes. A missing right is an advice.
pub(super) async fn inspect(backend: &Backend, is_open: bool) -> Result<Inspection, StoreError> {
    let mut inspection: Option<Inspection> = None;
    for link in backend.links() {
        let found = of_server(&link).await?;
        match &mut inspection {
            None => inspection = Some(found),
            Some(inspection) => {
                let advice = found.advice.into_iter();
                let new: Vec<_> = advice.filter(|new| !inspection.advice.contains(new)).collect();
                inspection.advice.extend(new);
            }
        }
    }
    let mut inspection = inspection.ok_or_else(|| unreachable(None))?;
    if is_open {
        inspection.advice.push(Advice::new(
            "The connection to Redis is not encrypted, and leaves this computer.",
            "Use TLS: an address that starts with `rediss://`.",
        ));
    }
    Ok(inspection)
}

async fn of_server(link: &Link) -> Result<Inspection, StoreError> {
    let mut inspection = match link.call(redis::cmd("INFO")).await {
        Ok(answer) => of_info(&text(answer)),
        Err(StoreError::Refused { .. }) => {
            let mut inspection = Inspection::new("Redis");
            inspection.advice.push(Advice::new(
                "The user has no right to INFO, so the settings of Redis were not looked at.",
                "Give the user the right `+info`.",
            ));
            inspection
        }
        Err(error) => return Err(error),
    };
    match link.call(redis::cmd("TIME")).await {
        Ok(answer) => inspection.now = time(answer),
        Err(StoreError::Refused { .. }) => inspection.advice.push(Advice::new(
            "The user has no right to TIME, so the clocks were not compared.",
            "Give the user the right `+time`.",
        )),
        Err(error) => return Err(error),
    }
    Ok(inspection)
}

fn of_info(info: &str) -> Inspection {
    let info: HashMap<_, _> = info.lines().filter_map(|line| line.split_once(':')).collect();
    let get = |name| info.get(name).copied().unwrap_or_default();
    let (name, version) = match get("valkey_version") {
        "" => ("Redis", get("redis_version")),
        version => ("Valkey", version),
    };
    let mut inspection = Inspection::new(format!("{name} {}", version.escape_debug()));
    let mut advise = |found: String, next: &str| inspection.advice.push(Advice::new(found, next));

    if name == "Redis" && older_than(version, [6, 2]) {
        advise("Redis is older than 6.2.".into(), "Use Redis 6.2 or later, or Valkey.");
    }
    let policy = get("maxmemory_policy");
    if policy == "volatile-ttl" {
        advise(
            "The memory policy `volatile-ttl` evicts leases first, because they end soonest, and \
             sign-ins after them."
                .into(),
            EVICTION,
        );
    } else if !matches!(policy, "noeviction" | "") {
        let policy = policy.escape_debug();
        advise(format!("The memory policy `{policy}` evicts sign-ins."), EVICTION);
    }
    if get("aof_enabled") == "0" {
        advise(
            "Redis keeps no append-only file, so a restart loses sign-ins.".into(),
            "Set `appendonly` to `yes`.",
        );
    }
    if get("role") == "master" {
        if get("connected_slaves") == "0" {
            advise(
                "Redis has no replica, so the loss of its computer loses all sign-ins.".into(),
                "Add a replica.",
            );
        } else if !info.contains_key("min_slaves_good_slaves") {
            advise(
                "Redis takes writes while no replica follows it.".into(),
                "Set `min-replicas-to-write` to 1 or more.",
            );
        }
    }
    inspection
}

const EVICTION: &str = "Set `maxmemory-policy` to `noeviction`.";

fn older_than(version: &str, oldest: [u32; 2]) -> bool {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or_default());
    let version = [parts.next().unwrap_or_default(), parts.next().unwrap_or_default()];
    version < oldest
}

fn text(answer: Value) -> String {
    match answer {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => text,
        _ => String::new(),
    }
}

fn time(answer: Value) -> Option<SystemTime> {
    let Value::Array(parts) = answer else { return None };
    let mut numbers = parts.into_iter().map(|part| text(part).parse().ok());
    let (seconds, micros): (u64, u64) = (numbers.next()??, numbers.next()??);
    let time = Duration::from_secs(seconds) + Duration::from_micros(micros);
    SystemTime::UNIX_EPOCH.checked_add(time)
}
