//! The vault that talks to the mock, and the one item that the mock has.

use tokenkeep_platform::vault::{Item, Place, Session, Vault};

/// The mock cannot agree on a key, so its sessions are plain.
pub(crate) fn vault() -> Vault {
    let mut place = Place::default();
    place.session = Session::Plain;
    Vault::os_at(place)
}

pub(crate) fn item() -> Item {
    Item::new("tests", "key")
}
