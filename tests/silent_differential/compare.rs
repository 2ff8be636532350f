//! Two outcomes side by side: each difference is a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde_json::{Map, Value};

use crate::world::{ALIAS, HOST, Outcome};

/// One difference.
#[derive(Debug)]
pub(crate) enum Line {
    /// Of the requests or the result.
    Call(String),
    /// An entry that only one of the two has.
    Entry { is_ours: bool, section: String, key: String, entry: Value },
    /// A field with different values.
    Field { section: String, key: String, field: String, theirs: Value, ours: Value },
}

impl Line {
    pub(crate) fn is(&self, text: &str) -> bool {
        matches!(self, Self::Call(call) if call == text)
    }

    pub(crate) fn is_field(&self, of: &str, name: &str) -> bool {
        matches!(self, Self::Field { section, field, .. } if section == of && field == name)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(text) => f.write_str(text),
            Self::Entry { is_ours, section, key, .. } => {
                let whose = if *is_ours { "ours" } else { "msal" };
                write!(f, "{section} {}: only {whose}", short(key))
            }
            Self::Field { section, key, field, theirs, ours } => {
                let [theirs, ours] = [theirs, ours].map(|value| match value.as_str() {
                    Some("") => "empty",
                    Some(text) => text,
                    None => "none",
                });
                write!(f, "{section} {}: {field}: msal {theirs}; ours {ours}", short(key))
            }
        }
    }
}

/// The key of an entry with short names of hosts.
fn short(key: &str) -> String {
    key.replace(HOST, "HOST").replace(ALIAS, "ALIAS")
}

type Form = BTreeMap<String, String>;

/// What differs in the requests and the result of a call.
pub(crate) fn of_call(theirs: &Outcome, ours: &Outcome) -> Vec<Line> {
    let mut lines = Vec::new();
    let [spent, spent_by_us] = [theirs, ours].map(|outcome| {
        let spent = outcome.forms.iter().map(spent).collect::<Vec<_>>();
        if spent.is_empty() { "nothing".to_owned() } else { spent.join(", ") }
    });
    if spent != spent_by_us {
        lines.push(Line::Call(format!("spent: msal {spent}; ours {spent_by_us}")));
    } else {
        for (theirs, ours) in theirs.forms.iter().zip(&ours.forms) {
            let [theirs, ours] = [theirs, ours].map(fields);
            let names: BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
            for name in names.into_iter().filter(|&name| theirs.get(name) != ours.get(name)) {
                let [theirs, ours] = [&theirs, &ours]
                    .map(|form| form.get(name).map_or("none".into(), |value| format!("`{value}`")));
                lines.push(Line::Call(format!("form: {name}: msal {theirs}; ours {ours}")));
            }
        }
    }
    if theirs.result != ours.result {
        let (theirs, ours) = (&theirs.result, &ours.result);
        lines.push(Line::Call(format!("result: msal {theirs}; ours {ours}")));
    }
    lines
}

/// What a request spends.
fn spent(form: &Form) -> &str {
    form.get("refresh_token").or_else(|| form.get("grant_type")).map_or("?", String::as_str)
}

/// The fields of a form in a form that can be compared. The program adds the client's secret.
fn fields(form: &Form) -> Form {
    let value = |(name, value): (&String, &String)| {
        let value = match name.as_str() {
            "scope" => {
                value.split(' ').collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
            }
            "claims" => {
                serde_json::from_str::<Value>(value).map_or(value.clone(), |v| v.to_string())
            }
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    form.iter().filter(|(name, _)| *name != "client_secret").map(value).collect()
}

/// What differs in the caches, entry by entry.
pub(crate) fn of_caches(theirs: &Outcome, ours: &Outcome) -> Vec<Line> {
    let none = Value::Object(Map::new());
    let (theirs, ours) = (&theirs.cache, &ours.cache);
    let mut lines = Vec::new();
    for section in keys(theirs, ours) {
        let [theirs, ours] = [theirs, ours].map(|cache| cache.get(&section).unwrap_or(&none));
        for key in keys(theirs, ours) {
            match (theirs.get(&key), ours.get(&key)) {
                (Some(theirs), Some(ours)) => {
                    // Two tokens are from two times, of course.
                    let is_another = theirs["secret"] != ours["secret"];
                    let counts = |field: &String| !is_another || !TIMES.contains(&field.as_str());
                    for field in keys(theirs, ours).into_iter().filter(counts) {
                        let [theirs, ours] = [theirs, ours]
                            .map(|entry| entry.get(&field).cloned().unwrap_or_default());
                        if theirs != ours {
                            let (section, key) = (section.clone(), key.clone());
                            lines.push(Line::Field { section, key, field, theirs, ours });
                        }
                    }
                }
                (theirs, ours) => {
                    let entry = theirs.or(ours).unwrap().clone();
                    let (is_ours, section) = (ours.is_some(), section.clone());
                    lines.push(Line::Entry { is_ours, section, key, entry });
                }
            }
        }
    }
    lines
}

fn keys(one: &Value, other: &Value) -> BTreeSet<String> {
    let names = |value: &Value| {
        value.as_object().into_iter().flat_map(Map::keys).cloned().collect::<Vec<_>>()
    };
    names(one).into_iter().chain(names(other)).collect()
}

const TIMES: [&str; 5] =
    ["cached_at", "expires_on", "extended_expires_on", "last_modification_time", "refresh_on"];
