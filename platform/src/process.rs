//! What a process can do for the secrets in its memory.

cfg_if::cfg_if! {
    if #[cfg(any(target_os = "linux", target_os = "android"))] {
        /// Keeps this process's memory out of core dumps and from other processes of the same
        /// user, as far as the operating system can. Does nothing where it cannot.
        pub fn refuse_dumps() {
            // A kernel that refuses leaves things as they are; the program works all the same.
            rustix::process::set_dumpable_behavior(
                rustix::process::DumpableBehavior::NotDumpable,
            )
            .ok();
        }
    } else {
        /// Keeps this process's memory out of core dumps and from other processes of the same
        /// user, as far as the operating system can. Does nothing where it cannot.
        pub fn refuse_dumps() {}
    }
}
