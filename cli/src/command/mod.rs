//! One file for each command.

mod accounts;
mod add;
mod clear;
mod completions;
mod doctor;
mod export;
mod import;
mod list;
mod login;
mod revoke;
mod sign_out;
mod token;
mod who;

use crate::{
    args::{Arguments, Command},
    failure::Failure,
    open::{meant, open},
};

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let json = arguments.json;
    let store = &meant(&arguments.store, &arguments.command)?;
    match &arguments.command {
        Command::Accounts => accounts::run(&open(store)?, json),
        Command::Add => add::run(store, json),
        Command::Clear { unreadable } => clear::run(store, *unreadable, json),
        Command::Completions { shell } => completions::run(*shell),
        Command::Doctor { remove_key: Some(id) } => doctor::remove_key(id, json),
        Command::Doctor { remove_key: None } => doctor::run(store, json),
        Command::Export { reveal_secrets } => export::run(store, *reveal_secrets),
        Command::Import(import) => import::run(store, import, json),
        Command::List { reveal_secrets } => list::run(&open(store)?, *reveal_secrets, json),
        Command::Login(login) => login::run(store, login, json),
        Command::SignOut(sign_out) => sign_out::run(&open(store)?, sign_out, json),
        Command::Token(token) => token::run(&open(store)?, token, json),
    }
}
