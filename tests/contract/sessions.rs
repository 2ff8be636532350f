//! Private sessions with a real Secret Service, and how it is locked there.

use tokenkeep_test_support::keyring::{Keyring, Provider, State, inside};

use super::backend::{AtRest, Backend, Lock};

impl Backend {
    /// A raw item of that provider.
    pub(crate) fn in_session(self, provider: Provider) -> Self {
        let at_rest = AtRest::Encrypted(|_| vec![keyring().files()]);
        self.keyed_in_session(provider).absence_hidden().lying(at_rest)
    }

    /// Something whose key lies with that provider.
    pub(crate) fn keyed_in_session(self, provider: Provider) -> Self {
        let lock = Lock {
            lock: |_| keyring().lock().unwrap(),
            unlock: |_| keyring().unlock().unwrap(),
            hides_absence: false,
        };
        let within = match provider {
            Provider::KWallet => |test: &str, run: &mut dyn FnMut()| {
                inside(test, State::Unlocked.of(Provider::KWallet), |_| run());
            },
            _ => |test: &str, run: &mut dyn FnMut()| inside(test, State::Unlocked, |_| run()),
        };
        Self { lock: Some(lock), within: Some(within), ..self }
    }

    fn absence_hidden(self) -> Self {
        let lock = self.lock.map(|lock| Lock { hides_absence: true, ..lock });
        Self { lock, ..self }
    }
}

fn keyring() -> Keyring {
    Keyring::current().expect("this runs inside a session")
}
