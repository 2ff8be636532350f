//! Reads the members of a response or an event with the expected types.

use std::borrow::Cow;

use tokenkeep_platform::text::shown;
use zeroize::Zeroizing;

use crate::{
    Error,
    cache::{
        entry::scopes_in,
        event::ext_cache_key::ext_cache_key,
        json::{Object, Value},
        time,
    },
};

/// The members of one object, and their path for error texts.
pub(crate) struct Fields<'j> {
    pub(crate) object: Object<'j>,
    pub(crate) path: &'static str,
}

impl<'j> Fields<'j> {
    /// A member that is present and not null.
    pub(crate) fn given(&self, name: &str) -> Option<Value<'j>> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A member that Python evaluates as true.
    pub(crate) fn truthy(&self, name: &str) -> Option<Value<'j>> {
        self.object.get(name).filter(|value| value.is_true())
    }

    /// A member that is text or null, if it is present.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<Option<Cow<'j, str>>>, Error> {
        match self.object.get(name) {
            None => Ok(None),
            Some(value) if value.is_null() => Ok(Some(None)),
            Some(value) => value.text().map(Some).map(Some).ok_or_else(|| self.wrong(name, "text")),
        }
    }

    /// A text. An empty one counts as absent.
    pub(crate) fn secret(&self, name: &str) -> Result<Option<Zeroizing<String>>, Error> {
        let Some(value) = self.truthy(name) else { return Ok(None) };
        let text = value.text().ok_or_else(|| self.wrong(name, "text"))?;
        Ok(Some(Zeroizing::new(text.into_owned())))
    }

    /// Any string, as a canonical token. Other values count as absent.
    pub(crate) fn name(&self, name: &str) -> Option<String> {
        let value = self.truthy(name).filter(|value| value.is_text())?;
        Some(value.scalar()?.into_owned())
    }

    /// A name or an id: text, or a whole number, which becomes text.
    pub(crate) fn identifier(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let number = || value.whole_number().map(Cow::Borrowed);
        let text = value.text().or_else(number).ok_or_else(|| self.wrong(name, "text"))?;
        Ok(Some(text.into_owned()))
    }

    /// A string, whole number, boolean or null, as a canonical token.
    pub(crate) fn scalar(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(value) = self.object.get(name) else { return Ok(None) };
        let token = value.scalar().ok_or_else(|| self.wrong(name, "text or a whole number"))?;
        Ok(Some(token.into_owned()))
    }

    /// The members of an object. Empty if it is absent or null.
    pub(crate) fn fields(&self, name: &str, path: &'static str) -> Result<Self, Error> {
        let object = match self.given(name) {
            None => Object::default(),
            Some(value) => value.object().ok_or_else(|| self.wrong(name, "a JSON object"))?,
        };
        Ok(Self { object, path })
    }

    /// Scopes: a list of texts, which are not split, or one text, which is split at white space.
    pub(crate) fn scopes(&self, name: &str) -> Result<Option<Vec<String>>, Error> {
        let Some(value) = self.given(name) else { return Ok(None) };
        let wrong = || self.wrong(name, "text or a list of texts");
        if let Some(text) = value.text() {
            return Ok(Some(scopes_in(&text).map(str::to_owned).collect()));
        }
        match value.items() {
            Some(items) => items
                .into_iter()
                .filter(|item| !item.is_null())
                .map(|item| item.text().map(Cow::into_owned).ok_or_else(wrong))
                .collect::<Result<_, _>>()
                .map(Some),
            // What Python takes for false counts as absent.
            None if value.is_true() => Err(wrong()),
            None => Ok(None),
        }
    }

    /// Whole seconds, from a number or a text of digits. The fraction of a number is cut off.
    /// Returns `None` if the member is absent or has another type.
    pub(crate) fn seconds(&self, name: &str) -> Option<i64> {
        let value = self.given(name)?;
        match value.number() {
            Some(number) => time::number(number),
            None => match value.text() {
                Some(text) => time::whole(&text),
                // Python's `int` takes true for 1.
                None => value.flag().map(i64::from),
            },
        }
    }

    /// The extended cache key of these request parameters. Values are converted to text as Python's
    /// `str` does.
    pub(crate) fn extension(&self) -> Result<Option<String>, Error> {
        if self.object.has_odd_name() {
            let detail =
                format!("a name in `{}` is not valid Unicode", self.path.trim_end_matches('.'));
            return Err(Error::Invalid { detail });
        }
        let mut spelled = Vec::new();
        for (name, value) in self.object.iter().filter(|(_, value)| value.is_true()) {
            let text = match value.text().or_else(|| value.whole_number().map(Cow::Borrowed)) {
                Some(text) => text.into_owned(),
                // As `str(True)` does; false was filtered out above.
                None if value.flag().is_some() => "True".to_owned(),
                // A parameter that does not count may have any type.
                None if ext_cache_key([(name, "x")]).is_none() => continue,
                None => return Err(self.wrong(name, "text, a whole number or true")),
            };
            spelled.push((name, Zeroizing::new(text)));
        }
        Ok(ext_cache_key(spelled.iter().map(|(name, text)| (*name, text.as_str()))))
    }

    /// The error for a member that does not have the expected type.
    pub(crate) fn wrong(&self, name: &str, expected: &str) -> Error {
        Error::Invalid { detail: format!("`{}{}` must be {expected}", self.path, shown(name)) }
    }
}
