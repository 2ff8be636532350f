//! The right to spend a refresh token, which one thread of one process has at a time.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use tokenkeep::RefreshLease as CoreLease;

use crate::error::raised;

/// The right to spend the refresh token of a request, until `release`.
#[pyclass(frozen, module = "tokenkeep._native")]
pub(crate) struct RefreshLease {
    lease: Mutex<Option<CoreLease>>,
}

impl From<CoreLease> for RefreshLease {
    fn from(lease: CoreLease) -> Self {
        Self { lease: Mutex::new(Some(lease)) }
    }
}

impl RefreshLease {
    fn lease(&self) -> std::sync::MutexGuard<'_, Option<CoreLease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl RefreshLease {
    /// Whether it still excludes others. Call this right before a refresh token is spent.
    fn is_intact(&self, py: Python<'_>) -> PyResult<bool> {
        let is_intact = self.lease().as_ref().map(CoreLease::is_intact);
        is_intact.unwrap_or(Ok(false)).map_err(|error| raised(py, &error))
    }

    /// Gives the right up. Does nothing if it was given up.
    fn release(&self, py: Python<'_>) {
        let lease = self.lease().take();
        py.detach(|| drop(lease));
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.release(py);
    }
}
