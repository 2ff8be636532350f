//! Values whose end may wait.

use std::ops::Deref;

use pyo3::prelude::*;

/// A value that is dropped without the interpreter's lock: the end of a cache may remove the key of
/// a vault that was made for it and never used.
pub(crate) struct Detached<T: Send>(Option<T>);

impl<T: Send> Detached<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Send> Deref for Detached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("only its end takes it")
    }
}

impl<T: Send> Drop for Detached<T> {
    fn drop(&mut self) {
        let value = self.0.take();
        // While the interpreter shuts down, the value is dropped here.
        Python::try_attach(|py| py.detach(|| drop(value)));
    }
}
