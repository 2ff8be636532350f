//! The real parts of the tests.
