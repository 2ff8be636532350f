//! A condition of a check.

/// Ends the check with a text if the condition does not hold.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(crate::contract::scene::Fault::new(format!($($text)+)));
        }
    };
}

/// Ends the check with both values if they differ.
macro_rules! ensure_eq {
    ($is:expr, $wanted:expr, $text:literal) => {
        let (is, wanted) = (&$is, &$wanted);
        ensure!(is == wanted, concat!($text, ": {:?} instead of {:?}"), is, wanted);
    };
}
