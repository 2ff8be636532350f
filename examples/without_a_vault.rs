//! A program that also runs where there is no vault: the choices in an order, and what was chosen
//! said aloud.
//!
//! `env -u DBUS_SESSION_BUS_ADDRESS XDG_RUNTIME_DIR= cargo run --example without_a_vault` shows it
//! without one.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::io::{self, BufRead, Write};

use tokenkeep::{
    KeySource, PersistedTokenCache, Secret,
    persistence::{KernelKeyring, Passphrase, SealedPersistence},
};

fn main() {
    let builder = SealedPersistence::builder("io.github.tokenkeep.without-a-vault").key_sources([
        KeySource::OsVault,
        KeySource::KernelKeyring(KernelKeyring::User),
        KeySource::Passphrase(Passphrase::asked(ask)),
    ]);
    let cache = match builder.open() {
        Ok(persistence) => PersistedTokenCache::new(persistence),
        Err(reason) => {
            println!("The next run asks you to sign in again: {reason}; {}", reason.next_step());
            PersistedTokenCache::in_memory()
        }
    };
    println!("Protection: {}", cache.protection());
}

/// Called once, and only if neither the vault nor the kernel keyring exists. A real program hides
/// what is typed.
fn ask(is_new: bool) -> Result<Secret, Box<dyn std::error::Error + Send + Sync>> {
    print!("{}", if is_new { "A passphrase for the new cache: " } else { "Passphrase: " });
    io::stdout().flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(Secret::new(line.trim_end()))
}
