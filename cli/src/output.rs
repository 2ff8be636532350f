//! What people and scripts read.

use std::{
    io::{self, IsTerminal, Write},
    thread,
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Prints one line on standard output.
pub(crate) fn line(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let text = text.as_ref();
    // A whole line at once passes by standard output's own buffer, which keeps what it was given.
    let mut line = Zeroizing::new(Vec::with_capacity(text.len() + 1));
    line.extend_from_slice(text);
    line.push(b'\n');
    Ok(io::stdout().lock().write_all(&line)?)
}

/// Prints one JSON document on standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = Zeroizing::new(serde_json::to_string_pretty(value).map_err(io::Error::from)?);
    line(text.as_bytes())
}

/// Tells the person something, on standard error. Nobody there to read it is no failure.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr().lock(), "{text}").ok();
}

/// As [`note`], while the work at hand goes on: where nobody reads standard error, a write to it
/// may never return.
pub(crate) fn note_aside(text: String) {
    // Without a thread the person is not told, and the work goes on all the same.
    drop(thread::Builder::new().spawn(move || note(&text)));
}

/// Prints a table that fits the terminal; one line a row where the output is no terminal.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    let arrangement = if io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    for row in rows {
        table.add_row(row.map(printable));
    }
    line(table.trim_fmt())
}

/// Kept text is foreign: control characters must not reach the terminal.
pub(crate) fn printable(text: String) -> String {
    if text.chars().any(char::is_control) {
        text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    } else {
        text
    }
}
