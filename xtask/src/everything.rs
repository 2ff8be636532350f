//! What cargo is told when it is to build the whole workspace with everything that it can have.

/// The packages and features of the whole workspace. Servers run on Linux, and what they keep their
/// sign-ins with is built there alone. Elsewhere the Python package is built as a wheel, because
/// its tests link it as no program is linked.
pub(crate) fn arguments() -> &'static [&'static str] {
    match cfg!(target_os = "linux") {
        true => &["--workspace", "--features", DESKTOP_AND_WEB],
        false => &[
            "--workspace",
            "--exclude",
            "tokenkeep-python",
            "--exclude",
            "tokenkeep-web",
            "--features",
            DESKTOP,
        ],
    }
}

/// Everything that the library for desktop programs can have.
pub(crate) const DESKTOP: &str = "tokenkeep/tokio,tokenkeep/ureq";

const DESKTOP_AND_WEB: &str = "tokenkeep/tokio,tokenkeep/ureq,tokenkeep-web/axum,\
    tokenkeep-web/contract,tokenkeep-web/metrics,tokenkeep-web/postgres,tokenkeep-web/redis";
