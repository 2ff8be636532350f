//! The two kinds of backend: a vault, and a persistence as a persisted cache uses it.

use std::{collections::HashMap, fs, path::Path, sync::Arc, sync::Mutex, time::Duration};

use tokenkeep::{
    KeySource,
    lock::{LockGuard, Wait},
    persistence::{
        Intent, ItemEncoding, Loaded, MemoryPersistence, MsalExtensionsLocation,
        MsalExtensionsPersistence, Persistence, PlaintextPersistence, Saved, SealedPersistence,
    },
};
use tokenkeep_platform::vault::{Call, Item, Vault};

use super::{
    backend::{AtRest, Backend},
    slot::{Kind, Name, Refusal, Slot},
};

/// A vault's raw items.
pub(crate) fn vault(vault: Vault) -> Backend {
    Backend::new(move |_, name| {
        let item = Item::new(&name.service, &name.account);
        Box::new(InVault { vault: vault.clone(), item })
    })
}

/// A sealed cache whose key comes from the source that belongs to its folder.
pub(crate) fn sealed(source: impl Fn(&Path) -> KeySource + Send + Sync + 'static) -> Backend {
    persisted(move |place, name| {
        let around = place.join(&name.account);
        fs::create_dir_all(&around).unwrap();
        let folder = around.join(&name.service);
        let builder = SealedPersistence::builder(&name.service)
            .key_source(source(&folder))
            .folder(folder)
            .size_limit(LIMIT);
        Arc::new(builder.build().unwrap())
    })
    .up_to(LIMIT as usize)
    .lying(AtRest::Encrypted(|place| vec![place.to_owned()]))
}

pub(crate) fn plaintext() -> Backend {
    persisted(|place, name| {
        let folder = place.join(&name.account);
        let plain = PlaintextPersistence::new(folder.join(format!("{}.json", name.service)));
        Arc::new(plain.unwrap().size_limit(LIMIT))
    })
    .up_to(LIMIT as usize)
    .lying(AtRest::Clear(|place| vec![place.to_owned()]))
}

/// In base64, for any bytes are to be kept.
pub(crate) fn msal_extensions() -> Backend {
    persisted(|place, name| {
        let identity = MsalExtensionsLocation::python("never used")
            .schema("io.github.tokenkeep.Tests")
            .label("tests")
            .attributes([("service", &*name.service), ("account", &*name.account)])
            .encoding(ItemEncoding::Base64);
        let location = place.join(&name.account).join(&name.service);
        let persistence = MsalExtensionsPersistence::new(location, &identity).unwrap();
        Arc::new(persistence.size_limit(MSAL_EXTENSIONS_LIMIT))
    })
    .up_to(MSAL_EXTENSIONS_LIMIT as usize)
    .lying(AtRest::Encrypted(|place| vec![place.to_owned()]))
}

/// A second handle is the same value: no other can reach what it keeps.
pub(crate) fn memory() -> Backend {
    let kept = Mutex::new(HashMap::<_, Arc<dyn Persistence>>::new());
    let open = move |place: &Path, name: &Name| {
        let path = place.join(&name.account).join(&name.service);
        let mut kept = kept.lock().unwrap();
        Arc::clone(kept.entry(path).or_insert_with(|| Arc::new(MemoryPersistence::new())))
    };
    persisted(open).in_one_process()
}

/// Any persistence whose places are folders or files by their names.
fn persisted(
    open: impl Fn(&Path, &Name) -> Arc<dyn Persistence> + Send + Sync + 'static,
) -> Backend {
    let backend = Backend::new(move |place, name| Box::new(Persisted(open(place, name))));
    // Not every file system tells case, and a store's name is a folder's.
    Backend { creates: false, tells_case: false, alike: FOLDERS, ..backend }
}

#[derive(Debug)]
struct InVault {
    vault: Vault,
    item: Item,
}

impl Slot for InVault {
    fn load(&self) -> Result<Option<Vec<u8>>, Refusal> {
        let secret = self.vault.read(&self.item, &patient())?;
        Ok(secret.map(|secret| secret.to_vec()))
    }

    fn save(&self, payload: &[u8]) -> Result<(), Refusal> {
        Ok(self.vault.write(&self.item, payload, &patient(), None)?)
    }

    fn create(&self, payload: &[u8]) -> Result<(), Refusal> {
        Ok(self.vault.create(&self.item, payload, &patient())?)
    }

    fn delete(&self) -> Result<bool, Refusal> {
        Ok(self.vault.delete(&self.item, &patient(), None)?)
    }
}

/// A megabyte through an encrypted session takes its time in a build without optimisation.
fn patient() -> Call {
    Call::quiet().within(Duration::from_secs(30))
}

/// Calls a persistence in the order that a persisted cache does.
#[derive(Debug)]
struct Persisted(Arc<dyn Persistence>);

impl Persisted {
    fn lock(&self) -> Result<Option<LockGuard>, Refusal> {
        let lock = self.0.lock();
        Ok(lock.map(|lock| lock.acquire(&Wait::default())).transpose()?)
    }
}

impl Slot for Persisted {
    fn load(&self) -> Result<Option<Vec<u8>>, Refusal> {
        for _ in 0..ATTEMPTS {
            self.0.prepare(Intent::Read)?;
            match self.0.load(None)? {
                Loaded::Absent => return Ok(None),
                Loaded::Content(content, _) => return Ok(Some(content.expose().to_vec())),
                Loaded::NeedsPrepare => {}
                other => return Err(Refusal::new(Kind::Other, format!("it said {other:?}"))),
            }
        }
        Err(kept_changing())
    }

    fn save(&self, payload: &[u8]) -> Result<(), Refusal> {
        for _ in 0..ATTEMPTS {
            self.0.prepare(Intent::Write)?;
            let _lock = self.lock()?;
            let base = match self.0.load(None)? {
                Loaded::Absent => None,
                Loaded::Content(_, stamp) => Some(stamp),
                Loaded::NeedsPrepare => continue,
                other => return Err(Refusal::new(Kind::Other, format!("it said {other:?}"))),
            };
            if matches!(self.0.save(payload, base.as_ref(), &LockGuard::none())?, Saved::Done(_)) {
                return Ok(());
            }
        }
        Err(kept_changing())
    }

    fn create(&self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::new(Kind::Other, "a persistence has no create of its own"))
    }

    fn delete(&self) -> Result<bool, Refusal> {
        for _ in 0..ATTEMPTS {
            self.0.prepare(Intent::Read)?;
            if self.0.stamp()?.is_none() || matches!(self.0.load(None)?, Loaded::Absent) {
                return Ok(false);
            }
            let _lock = self.lock()?;
            let base = match self.0.load(None)? {
                Loaded::NeedsPrepare => continue,
                Loaded::Content(_, stamp) => Some(stamp),
                _ => None,
            };
            self.0.delete(base.as_ref(), &LockGuard::none())?;
            return Ok(true);
        }
        Err(kept_changing())
    }
}

fn kept_changing() -> Refusal {
    Refusal::new(Kind::Other, format!("it wanted to be prepared again {ATTEMPTS} times"))
}

const ATTEMPTS: usize = 100;

/// Of a file, in bytes.
const LIMIT: u64 = 2 << 20;

/// Small, for a build without optimisation takes its time to encrypt a session.
const MSAL_EXTENSIONS_LIMIT: u64 = 256 << 10;

/// Names that are folders' names everywhere; the second part is the folder around.
const FOLDERS: &[(&str, &str)] = &[
    ("ab", "c"),
    ("a", "bc"),
    ("a.b", "c"),
    ("a-b", "c"),
    ("a_b", "c"),
    ("a", "b.c"),
    ("a", "c"),
    ("a", "b"),
];
