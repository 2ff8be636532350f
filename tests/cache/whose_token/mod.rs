//! Whose a token is when the provider does not say, says it otherwise than before, or names
//! somebody else; and which account a request without a name means.

pub(crate) mod answers;
mod app;
mod choice;
mod reference;
mod renewal;
mod replaced;
mod sign_in;
mod unclaimed;
