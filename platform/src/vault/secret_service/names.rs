//! D-Bus names, and the size limit of an answer.

/// The Secret Service's name:
/// <https://specifications.freedesktop.org/secret-service/latest/>.
pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const SERVICE: &str = "/org/freedesktop/secrets";
pub(super) const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
pub(super) const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
pub(super) const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
pub(super) const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// The bus itself.
pub(super) const BUS: &str = "org.freedesktop.DBus";
pub(super) const BUS_PATH: &str = "/org/freedesktop/DBus";

/// Far larger than any message except the answer with a secret.
pub(super) const ANSWER_LIMIT: usize = 1 << 20;
