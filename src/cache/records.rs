//! The section of the cache with the records of sign-ins.
//!
//! Its members are `environment|client_id`. If a client signs in at a second issuer of a host, that
//! issuer follows after another `|`.

use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        Member, TokenCache,
        accounts::{Account, TOKENS, cloud},
        authority::{is_microsoft, issuer_name},
        entry::Entry,
        json::{Buffer, members, quoted},
        record::SignInRecord,
        request::TokenRequest,
        unknown,
    },
};

/// The name of the section.
pub(crate) const RECORDS: &str = "Tokenkeep";

/// The name of the section as a canonical token.
pub(super) const SECTION: &str = "\"Tokenkeep\"";

impl TokenCache {
    /// Returns every record of a sign-in, in order.
    pub fn records(&self) -> Vec<SignInRecord> {
        self.record_section().map(read).unwrap_or_default()
    }

    /// Returns the record for a request: that of its client whose issuer or authority is the
    /// request's authority. See [`SignInRecord`] before you send a token to its endpoint.
    pub fn record(&self, request: &TokenRequest) -> Option<SignInRecord> {
        let name = issuer_name(request.authority())?;
        let is_its = |record: &SignInRecord| {
            record.client_id() == request.client_id() && record.is_at(&name)
        };
        self.records().into_iter().find(is_its)
    }

    /// Stores the record of a sign-in. It replaces the record of the same client and issuer.
    /// Members of that one that this version does not know are kept.
    ///
    /// [`merge`](Self::merge) never takes a record along. [`sign_out`](Self::sign_out) and its
    /// siblings remove it with the last token of its client at its issuer.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if it has no client id, or its issuer is not the address of an authority;
    /// see [`TokenRequest::new`]. [`Error::Corrupt`] if the section `Tokenkeep` is not a JSON
    /// object. Nothing is changed then.
    pub fn set_record(&mut self, record: &SignInRecord) -> Result<(), Error> {
        let (environment, issuer) = record.place()?;
        if record.client_id().is_empty() {
            let detail = "the record of a sign-in has no client id".to_owned();
            return Err(Error::Invalid { detail });
        }
        let mut kept = self.kept_records()?;
        let mut record = record.clone();
        if let Some(held) = kept.iter_mut().find(|kept| kept.is_of(&record)) {
            if let Some(earlier) = SignInRecord::read(&held.value) {
                record.keep_unknown_of(earlier);
            }
            held.value = printed(&record);
            return self.put_records(&kept);
        }
        let mut key = format!("{environment}|{}", record.client_id());
        while kept.iter().any(|kept| kept.key == quoted(&key)) {
            key = format!("{key}|{issuer}");
        }
        kept.push(Kept { key: quoted(&key), value: printed(&record) });
        self.put_records(&kept)
    }

    /// Removes the record of the same client and issuer. Returns `false` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if a part of the cache has more than 4 GiB.
    pub fn remove_record(&mut self, record: &SignInRecord) -> Result<bool, Error> {
        let Ok(mut kept) = self.kept_records() else { return Ok(false) };
        let before = kept.len();
        kept.retain(|kept| !kept.is_of(record));
        let is_gone = kept.len() < before;
        if is_gone {
            self.put_records(&kept)?;
        }
        Ok(is_gone)
    }

    /// Returns the cache without the [`client_secret`](SignInRecord::client_secret) of any record,
    /// as for an export. A secret of a client is not a token of a user, and does not end with a
    /// sign-out.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] if a part of the cache has more than 4 GiB.
    pub fn without_client_secrets(&self) -> Result<Self, Error> {
        let mut cache = self.clone();
        let Ok(mut kept) = cache.kept_records() else { return Ok(cache) };
        let mut has_changed = false;
        for kept in &mut kept {
            if let Some(mut record) = SignInRecord::read(&kept.value)
                && record.remove_client_secret()
            {
                kept.value = printed(&record);
                has_changed = true;
            }
        }
        if has_changed {
            cache.put_records(&kept)?;
        }
        Ok(cache)
    }

    /// A record has a client secret that none has in `before`.
    #[cfg(feature = "desktop")]
    pub(crate) fn adds_client_secret(&self, before: &Self) -> bool {
        if self.record_section() == before.record_section() {
            return false;
        }
        let known = before.records();
        let is_new = |record: &SignInRecord| {
            let secret = record.client_secret();
            secret.is_some() && !known.iter().any(|known| known.client_secret() == secret)
        };
        self.records().iter().any(is_new)
    }

    /// The records of which the cache has tokens. A sign-out compares them with those afterwards.
    pub(super) fn records_in_use(&self) -> Vec<SignInRecord> {
        let mut records = self.records();
        records.retain(|record| self.is_in_use(record));
        records
    }

    /// Removes those of these records of which the cache has no token any more.
    pub(super) fn remove_unused(&mut self, records: &[SignInRecord]) -> Result<(), Error> {
        for record in records.iter().filter(|record| !self.is_in_use(record)).collect::<Vec<_>>() {
            self.remove_record(record)?;
        }
        Ok(())
    }

    /// The records of a client in an account's cloud or at its issuer.
    pub(super) fn records_of(&self, account: &Account, client_id: &str) -> Vec<SignInRecord> {
        let issuer = account.issuer_name();
        let mut records = self.records();
        records.retain(|record| {
            let is_there = |(environment, _): (String, String)| {
                cloud(&environment) == cloud(account.environment())
            };
            record.client_id() == client_id
                && record.place().is_ok_and(is_there)
                && issuer.as_deref().is_none_or(|issuer| record.is_at(issuer))
        });
        records
    }

    /// The cache has a token of the record's client at its issuer, or in its cloud of Microsoft.
    fn is_in_use(&self, record: &SignInRecord) -> bool {
        let Ok((environment, issuer)) = record.place() else { return false };
        let client = quoted(record.client_id());
        let is_elsewhere = !is_microsoft(&environment);
        let cloud = self.cloud(&quoted(&environment), Some(issuer).filter(|_| is_elsewhere));
        let is_its =
            |entry: &Entry| entry.token("client_id") == Some(&client) && cloud.place().has(entry);
        TOKENS.into_iter().flat_map(|kind| self.entries(kind)).any(is_its)
    }

    /// The canonical text of the section.
    fn record_section(&self) -> Option<&str> {
        let runs = self.members.iter().filter_map(|member| match member {
            Member::Unknown(run) => Some(run.members()),
            Member::Known(..) => None,
        });
        runs.flatten().find(|(name, _)| *name == SECTION).map(|(_, value)| value)
    }

    fn kept_records(&self) -> Result<Vec<Kept>, Error> {
        match self.record_section() {
            Some(section) if !section.starts_with('{') => Err(Error::Corrupt {
                what: "the token cache".to_owned(),
                detail: format!("its section {RECORDS} is not a JSON object"),
                source: None,
            }),
            section => Ok(kept(section.unwrap_or_default())),
        }
    }

    fn put_records(&mut self, kept: &[Kept]) -> Result<(), Error> {
        let mut out = Buffer::with_capacity(4 << 10);
        out.push('{');
        for (nth, kept) in kept.iter().enumerate() {
            for part in [if nth == 0 { "" } else { "," }, &kept.key, ":", &kept.value] {
                out.push_str(part);
            }
        }
        out.push('}');
        let value = (!kept.is_empty()).then(|| out.as_str());
        unknown::set(&mut self.members, SECTION, value)?;
        self.touched = true;
        Ok(())
    }
}

/// A member of the section, as canonical tokens. It may not be a record.
struct Kept {
    key: String,
    value: Zeroizing<String>,
}

impl Kept {
    /// It is the record of the same client and issuer.
    fn is_of(&self, record: &SignInRecord) -> bool {
        let same = |held: SignInRecord| {
            held.client_id() == record.client_id()
                && issuer_name(held.issuer()) == issuer_name(record.issuer())
        };
        SignInRecord::read(&self.value).is_some_and(same)
    }
}

fn kept(section: &str) -> Vec<Kept> {
    let kept = members(section);
    kept.map(|(key, value)| Kept { key: key.to_owned(), value: Zeroizing::new(value.to_owned()) })
        .collect()
}

fn read(section: &str) -> Vec<SignInRecord> {
    members(section).filter_map(|(_, value)| SignInRecord::read(value)).collect()
}

fn printed(record: &SignInRecord) -> Zeroizing<String> {
    let mut out = Buffer::with_capacity(4 << 10);
    record.print(&mut out);
    out.into_inner()
}
