//! Ends the waits of a thread before their time, if its caller says so.

use std::{cell::RefCell, fmt, marker::PhantomData, mem, sync::Arc, time::Duration};

thread_local! {
    static STOPS: RefCell<Vec<Stop>> = const { RefCell::new(Vec::new()) };
}

/// Returns `true` when a wait should end.
pub type Stop = Arc<dyn Fn() -> bool>;

/// While this exists, a wait of this thread for a lock, a vault or another thread ends when its
/// callback returns `true`. The callback is called on this thread, at least every 50 ms of a wait
/// and never otherwise. A wait inside the callback does not call it.
#[must_use = "the callback is forgotten when this is dropped"]
pub struct Interruptible {
    is_set: bool,
    /// Not `Send`: the callback belongs to this thread.
    _thread: PhantomData<*const ()>,
}

impl Interruptible {
    /// Sets `stop` for this thread, beside those that are set already.
    pub fn new(stop: Stop) -> Self {
        let is_set = STOPS.try_with(|stops| stops.borrow_mut().push(stop)).is_ok();
        Self { is_set, _thread: PhantomData }
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        if self.is_set {
            // The callback is dropped outside of the borrow: it is the caller's code.
            drop(STOPS.try_with(|stops| stops.borrow_mut().pop()));
        }
    }
}

impl fmt::Debug for Interruptible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Interruptible")
    }
}

/// Whether this thread has a callback.
pub fn is_set() -> bool {
    STOPS.try_with(|stops| !stops.borrow().is_empty()).unwrap_or(false)
}

/// Whether a callback of this thread wants the wait to end.
pub fn is_requested() -> bool {
    let taken = STOPS.try_with(|stops| mem::take(&mut *stops.borrow_mut())).unwrap_or_default();
    // Given back even after a panic of a callback.
    let taken = Taken(taken);
    taken.0.iter().any(|stop| stop())
}

struct Taken(Vec<Stop>);

impl Drop for Taken {
    fn drop(&mut self) {
        let taken = mem::take(&mut self.0);
        STOPS.try_with(|stops| *stops.borrow_mut() = taken).ok();
    }
}

/// How often a callback is asked. Less than the 50 ms that are promised, because a thread wakes
/// late.
pub const BETWEEN_QUESTIONS: Duration = Duration::from_millis(40);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    use super::*;

    fn answering(answer: bool, asked: &Rc<Cell<u32>>) -> Stop {
        let asked = Rc::clone(asked);
        #[expect(clippy::arc_with_non_send_sync, reason = "a callback need not be Send")]
        Arc::new(move || {
            asked.set(asked.get() + 1);
            // A wait inside the callback would ask it again.
            assert!(!is_set() && !is_requested());
            answer
        })
    }

    #[test]
    fn each_callback_of_a_thread_is_asked_until_it_is_dropped() {
        let asked = Rc::default();
        assert!(!is_set() && !is_requested());
        let outer = Interruptible::new(answering(false, &asked));
        let inner = Interruptible::new(answering(true, &asked));
        assert!(is_set() && is_requested());
        assert_eq!(asked.get(), 2);
        assert!(std::thread::spawn(|| !is_set()).join().unwrap(), "it is another thread's");
        drop(inner);
        assert!(is_set() && !is_requested());
        drop(outer);
        assert!(!is_set() && !is_requested());
    }

    #[test]
    fn a_panic_of_a_callback_is_its_callers_and_the_callback_stays() {
        let set = Interruptible::new(Arc::new(|| panic!("on purpose")));
        assert!(catch_unwind(AssertUnwindSafe(is_requested)).is_err());
        assert!(is_set());
        drop(set);
        assert!(!is_set());
    }
}
