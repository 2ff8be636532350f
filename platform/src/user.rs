//! What the number of a user says.

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        use std::fs::read_to_string;

        /// Whether the kernel shows every user by this number who has none in this user namespace:
        /// user_namespaces(7). None where `/proc` does not tell.
        pub(crate) fn stands_for_many(user: u32) -> Option<bool> {
            let number = |file: &str| read_to_string(file).ok()?.trim().parse().ok();
            if user != number("/proc/sys/kernel/overflowuid").unwrap_or(OVERFLOW) {
                return Some(false);
            }
            let map = read_to_string("/proc/self/uid_map").ok()?;
            let mut fields = map.split_ascii_whitespace();
            let whole = ["0", "0", "4294967295"].map(Some);
            Some([fields.next(), fields.next(), fields.next()] != whole)
        }

        const OVERFLOW: u32 = 65534;
    } else {
        /// Elsewhere a number is one user's.
        pub(crate) fn stands_for_many(_: u32) -> Option<bool> {
            Some(false)
        }
    }
}
