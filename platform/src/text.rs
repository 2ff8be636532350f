//! Text from other sources: how it is shown to a user, and how a path is quoted in a command.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

/// Escapes `text` for display. A character that moves the cursor, ends a line, changes the writing
/// direction or is invisible becomes `\u{…}` with its hexadecimal code point.
///
/// Escaped are the control characters of C0 and C1, DEL, the line and paragraph separators, the
/// characters that Unicode's bidirectional algorithm obeys, those of no width, the blank letters
/// of Hangul, and tag characters.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_obeyed(c) {
            true => shown.extend(c.escape_unicode()),
            false => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// The first 200 characters of `text`, escaped as by [`shown`], with `…` if there are more: for a
/// text that somebody else may make as long as they like.
pub fn shown_start(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => shown(text),
        Some((end, _)) => Cow::Owned(format!("{}…", shown(&text[..end]))),
    }
}

/// A path as shown to a user. Bytes that are not UTF-8 are replaced.
pub fn shown_path(path: impl AsRef<Path>) -> String {
    shown(&path.as_ref().to_string_lossy()).into_owned()
}

/// Whether `c` controls the terminal or the layout, or is invisible.
pub fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'                        // soft hyphen
            | '\u{34f}'                     // combining grapheme joiner
            | '\u{61c}'                     // Arabic letter mark
            | '\u{115f}' | '\u{1160}'       // Hangul fillers
            | '\u{17b4}' | '\u{17b5}'       // Khmer vowels that are not visible
            | '\u{180b}'..='\u{180f}'       // Mongolian selectors and separator
            | '\u{200b}'..='\u{200f}'       // zero width, and marks of direction
            | '\u{2028}'..='\u{202e}'       // separators, embeddings and overrides
            | '\u{2060}'..='\u{206f}'       // joiners, isolates, deprecated controls
            | '\u{3164}' | '\u{ffa0}'       // Hangul fillers
            | '\u{fe00}'..='\u{fe0f}'       // variation selectors
            | '\u{feff}'                    // byte order mark
            | '\u{fff9}'..='\u{fffb}'       // interlinear annotation
            | '\u{1bca0}'..='\u{1bca3}'     // shorthand format controls
            | '\u{1d173}'..='\u{1d17a}'     // musical format controls
            | '\u{e0000}'..='\u{e0fff}') // tags, and more variation selectors
}

/// Quotes `word` as one word for a POSIX shell.
///
/// Plain names are unchanged, others are put in single quotes. A word with characters that are not
/// shown, or with bytes that are not UTF-8, is written as `$'…'` with escapes, which bash, zsh and
/// ksh understand. The result is a single line and stands for exactly these bytes.
pub fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let bytes = word.as_encoded_bytes();
    match word.to_str() {
        Some(text) if !text.contains(is_obeyed) => {
            let plain = |c: char| c.is_alphanumeric() || "/._-+,:@".contains(c);
            if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
                return text.to_owned();
            }
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => {
            let mut quoted = String::from("$'");
            for byte in bytes {
                match byte {
                    b'\'' | b'\\' => quoted.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => quoted.push(char::from(*byte)),
                    // Three octal digits have a fixed length; a hexadecimal escape would include a
                    // digit that follows.
                    _ => quoted.push_str(&format!("\\{byte:03o}")),
                }
            }
            quoted.push('\'');
            quoted
        }
    }
}

/// Quotes `word` as one word that the Windows command prompt and PowerShell read the same way.
/// Returns `None` if one of them would interpret a character, because neither has quotes that
/// preserve everything.
pub fn cmd_word(word: impl AsRef<OsStr>) -> Option<String> {
    let text = word.as_ref().to_str()?;
    let is_read = |c: char| "\"“”„%!$`^".contains(c) || is_obeyed(c);
    if text.contains(is_read) {
        return None;
    }
    // A backslash before the closing quote would escape it, so it is doubled.
    let end = if text.ends_with('\\') { "\\" } else { "" };
    Some(format!("\"{text}{end}\""))
}

/// Quotes `word` for this system's shell: [`shell_word`], or on Windows [`cmd_word`].
///
/// On Windows plain names are unchanged. A word that cannot be quoted for both shells is quoted for
/// PowerShell; the command prompt then finds nothing with that name. Characters that are not shown
/// cannot be quoted and are escaped as in [`shown`].
pub fn command_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    if cfg!(windows) { windows_word(word) } else { shell_word(word) }
}

fn windows_word(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || r"\/._-+:@~".contains(c);
    if !text.is_empty() && !text.starts_with(['-', '@', '~']) && text.chars().all(is_plain) {
        return text.into_owned();
    }
    cmd_word(word).unwrap_or_else(|| {
        let text = shown(&text);
        let mut quoted = String::from("'");
        for c in text.chars() {
            // PowerShell treats each of these as the closing quote unless it is doubled.
            if "'‘’‚‛".contains(c) {
                quoted.push(c);
            }
            quoted.push(c);
        }
        quoted + "'"
    })
}

/// Two lower-case digits per byte. Not for secrets: the result is not wiped.
#[must_use]
pub fn hexadecimal(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters of a text that [`shown_start`] shows.
const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_the_start_is_shown_and_that_there_is_more() {
        let long = "é".repeat(LONGEST);
        assert!(matches!(shown_start(&long), Cow::Borrowed(text) if text == long));
        assert_eq!(shown_start(&format!("{long}x")), format!("{long}…"));
        assert_eq!(shown_start("a\u{1b}"), r"a\u{1b}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_the_rest_is_not_touched() {
        for plain in ["", "ada@corp.example", "Zoë 漢字 🦀", r"a\b", "עברית"] {
            assert!(matches!(shown(plain), Cow::Borrowed(text) if text == plain), "{plain}");
        }
        assert_eq!(shown("a\nb\r\t\u{1b}[2J"), r"a\u{a}b\u{d}\u{9}\u{1b}[2J");
        for c in ['\u{7f}', '\u{9b}', '\u{202e}', '\u{2067}', '\u{200b}', '\u{2028}', '\u{feff}'] {
            let text = shown(&c.to_string()).into_owned();
            assert_eq!(text, format!(r"\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn a_path_in_a_command_is_quoted_only_if_a_shell_needs_it() {
        assert_eq!(shell_word("/home/ada/.cache/x_1"), "/home/ada/.cache/x_1");
        assert_eq!(shell_word("/a b/$c'd"), r"'/a b/$c'\''d'");
        assert_eq!(shell_word("-rf"), "'-rf'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("/a\n'b\u{202e}1"), r"$'/a\012\'b\342\200\2561'");
    }
    #[test]
    fn a_path_in_a_command_for_windows_is_one_word_for_both_of_its_shells() {
        assert_eq!(windows_word(r"C:\Users\ada\x_1".as_ref()), r"C:\Users\ada\x_1");
        assert_eq!(windows_word(r"C:\a b\it's".as_ref()), r#""C:\a b\it's""#);
        assert_eq!(windows_word(r"C:\a b\".as_ref()), r#""C:\a b\\""#);
        assert_eq!(windows_word("-rf".as_ref()), r#""-rf""#);
        assert_eq!(windows_word("".as_ref()), r#""""#);
        assert_eq!(windows_word(r"C:\$(calc)\’%TEMP%".as_ref()), r"'C:\$(calc)\’’%TEMP%'");
        assert_eq!(windows_word("C:\\a\u{202e}b".as_ref()), r"'C:\a\u{202e}b'");
    }
}
