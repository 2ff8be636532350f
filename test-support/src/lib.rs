//! The real parts that the tests run against: which there are, where they are, and the line that
//! installs them.
//!
//! A test asks with [`need`] and returns early when the answer is no:
//!
//! ```
//! # use tokenkeep_test_support::{Tool, need};
//! fn keeps_every_update_when_the_writer_is_killed() {
//!     if !need(Tool::Strace) {
//!         return;
//!     }
//!     // …
//! }
//! ```

mod again;
#[cfg(feature = "providers")]
pub mod browser;
mod canary;
#[cfg(feature = "certificates")]
mod certificate;
#[cfg(all(
    feature = "mock",
    unix,
    not(any(target_os = "macos", target_os = "ios", target_os = "android"))
))]
pub mod collections;
#[cfg(unix)]
pub mod core_dump;
#[cfg(all(feature = "engines", unix))]
pub mod engines;
mod environment;
mod hexadecimal;
mod http;
#[cfg(unix)]
pub mod keyring;
#[cfg(all(
    feature = "mock",
    unix,
    not(any(target_os = "macos", target_os = "ios", target_os = "android"))
))]
pub mod mock;
mod node;
mod others;
mod place;
#[cfg(feature = "providers")]
pub mod providers;
mod python_package;
pub mod redirect;
pub mod sign_in;
mod skip;
mod start;
#[cfg(unix)]
pub mod strace;
mod tool;

pub use again::{again, task};
pub use canary::Canaries;
#[cfg(feature = "certificates")]
pub use certificate::ServerCertificate;
pub use environment::{Suites, Venv, python, python_with_libsecret};
pub use hexadecimal::hexadecimal;
pub use http::{Connection, HttpRequest, HttpServer, Script, http_response};
pub use node::{NodeModules, node};
pub use others::{Others, create_private, give_away, let_others};
pub use place::{example, executable, program, strace, target_dir, workspace_root};
pub use python_package::{native_library, python_package};
pub use skip::{in_ci, say};
pub use start::started;
pub use tool::{
    DEBIAN_RUSTC, MINGW_GCC, Tool, UNDER_WINE, install_line, need, under_wine, wine_cannot,
};
