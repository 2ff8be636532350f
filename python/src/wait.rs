//! Waits in which other Python threads run, and which a signal ends.

use std::{cell::RefCell, rc::Rc, time::Duration};

use pyo3::{exceptions::PyValueError, prelude::*};
use tokenkeep::{Error, interruptible};

use crate::error::raised;

/// Does `work` without the interpreter's lock. A signal whose handler raises, such as Ctrl-C, ends
/// a wait in it, and its exception is what this returns.
pub(crate) fn waiting<T: Send>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Error> + Send,
) -> PyResult<T> {
    let (outcome, exception) = py.detach(|| {
        let exception = Rc::new(RefCell::new(None));
        let seen = Rc::clone(&exception);
        let stop = move || {
            // `None`: the interpreter is shutting down.
            let checked = Python::try_attach(|py| py.check_signals());
            match checked {
                Some(Ok(())) => false,
                Some(Err(error)) => {
                    *seen.borrow_mut() = Some(error);
                    true
                }
                None => true,
            }
        };
        let outcome = interruptible(stop, work);
        (outcome, exception.take())
    });
    match exception {
        // Its handler has run, and will not run again.
        Some(exception) => Err(exception),
        None => outcome.map_err(|error| raised(py, &error)),
    }
}

/// A time span in seconds, as Python gives it.
pub(crate) fn seconds(value: f64) -> PyResult<Duration> {
    if value.is_nan() || value < 0.0 {
        return Err(PyValueError::new_err("a time span is zero or more seconds"));
    }
    Ok(Duration::try_from_secs_f64(value).unwrap_or(LONGEST).min(LONGEST))
}

/// Longer ones would overflow the arithmetic of some systems.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
