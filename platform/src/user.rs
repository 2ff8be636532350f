//! The meaning of user ids.

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        use std::fs::read_to_string;

        /// Whether the user id is the kernel's overflow id, which stands for every user without an
        /// id in this user namespace: user_namespaces(7). Returns `None` if `/proc` does not tell.
        pub(crate) fn stands_for_many(user: u32) -> Option<bool> {
            let number = |file: &str| read_to_string(file).ok()?.trim().parse().ok();
            if user != number("/proc/sys/kernel/overflowuid").unwrap_or(OVERFLOW) {
                return Some(false);
            }
            let map = read_to_string("/proc/self/uid_map").ok()?;
            let mut fields = map.split_ascii_whitespace();
            // The initial namespace maps every id to itself, so the overflow id is a real user
            // there.
            let whole = ["0", "0", "4294967295"].map(Some);
            Some([fields.next(), fields.next(), fields.next()] != whole)
        }

        const OVERFLOW: u32 = 65534;
    } else {
        /// On other systems each id stands for one user.
        pub(crate) fn stands_for_many(_: u32) -> Option<bool> {
            Some(false)
        }
    }
}
