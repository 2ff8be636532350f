//! How long things may take.

use std::time::Duration;

/// A call, from its start to its end, unless the program says another.
pub(super) const CALL: Duration = Duration::from_millis(500);
/// A new connection to a Sentinel or a node that is asked who serves.
pub(super) const CONNECT: Duration = Duration::from_millis(250);
/// The pause after a connection that failed: the first, and the longest.
pub(super) const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];
/// When a caller may try again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A listener's new connection, for which nobody waits.
pub(super) const LISTENER_CONNECT: Duration = Duration::from_secs(2);
/// How long a listener hears nothing before it asks whether the engine is there.
pub(super) const LISTENER_PING: Duration = Duration::from_secs(10);
/// A value that is sent and not stored yet. The step that stores it is sent with it.
pub(super) const DRAFT: Duration = Duration::from_secs(15);
/// Redis takes no longer time to live than its clock can count.
pub(super) const LONGEST_TTL: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);
