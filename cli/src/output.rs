//! Output for users and scripts.

use std::{
    io::{self, IsTerminal, Write},
    thread,
};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use tokenkeep_platform::text::{is_obeyed, shown};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Prints bytes on standard output exactly as they are, and ends the line.
pub(crate) fn exactly(bytes: &[u8]) -> Result<(), Failure> {
    // A whole line at once bypasses standard output's own buffer, which would keep the secret in
    // memory.
    let mut line = Zeroizing::new(Vec::with_capacity(bytes.len() + 1));
    line.extend_from_slice(bytes);
    line.push(b'\n');
    io::stdout().lock().write_all(&line).map_err(Failure::Output)
}

/// Prints one line on standard output. Control characters in it are escaped, because it may hold
/// text of other programs.
pub(crate) fn line(text: impl AsRef<str>) -> Result<(), Failure> {
    exactly(shown(text.as_ref()).as_bytes())
}

/// Prints one JSON document on standard output.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::Output(e.into()))?;
    exactly(escaped(&Zeroizing::new(text)).as_bytes())
}

/// Prints one JSON object in one line on standard output.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|e| Failure::Output(e.into()))?;
    exactly(escaped(&Zeroizing::new(text)).as_bytes())
}

/// Tells the user something in one line, on standard error. Control characters in it are escaped.
/// An error of the write is ignored.
pub(crate) fn note(text: &str) {
    writeln!(io::stderr().lock(), "{}", shown(text)).ok();
}

/// As [`note`], but the work at hand goes on: if nobody reads standard error, a write to it may
/// never return.
pub(crate) fn note_aside(text: String) {
    // If no thread can be started, the user is not told, and the work goes on.
    drop(thread::Builder::new().spawn(move || note(&text)));
}

/// Whether a table is laid out again to fit the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    /// Long cells are cut into lines on a terminal.
    Fits,
    /// One line a row, so that a secret can be copied.
    AsLongAsItIs,
}

/// Prints a table; one line a row if the output is not a terminal.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Width,
) -> Result<(), Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    // Only for a terminal are cells cut into lines: a script reads one row a line.
    let arrangement = if width == Width::Fits && io::stdout().is_terminal() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    for row in rows {
        table.add_row(row.map(|cell| shown(&cell).into_owned()));
    }
    exactly(Zeroizing::new(table.trim_fmt()).as_bytes())
}

/// JSON of the same value without characters that a terminal obeys.
///
/// Such a character can only be in a string. Everything outside strings is ASCII, and line ends
/// that the printer made.
fn escaped(json: &str) -> Zeroizing<String> {
    let must_go = |c: char| c != '\n' && is_obeyed(c);
    let mut safe = Zeroizing::new(String::with_capacity(json.len() + 64));
    for c in json.chars() {
        if must_go(c) {
            // JSON escapes UTF-16 units, so a character may need two.
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = serde_json::json!({
            "a\u{9b}\u{7f}": ["\u{1b}[2J\r\n", "\u{202e}\u{2066}\u{200b}\u{2028}", "\u{e0041}é漢"],
        });
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let safe = escaped(&text);
        assert!(safe.contains(r"a\u009b\u007f") && safe.contains(r"\udb40\udc41é漢"), "{}", *safe);
        assert!(safe.chars().all(|c| c == '\n' || !tokenkeep_platform::text::is_obeyed(c)));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).expect("JSON"), value);
    }
}
