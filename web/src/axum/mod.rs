//! Errors as responses, and the tokens of the user who sent a request. For servers of axum.

mod response;
mod user_tokens;

pub use self::user_tokens::{UserTokens, UserTokensRejection};
