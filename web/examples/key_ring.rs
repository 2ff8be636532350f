//! Makes and changes the key ring that all nodes of an application share.
//!
//! ```text
//! key_ring generate              prints a new ring
//! key_ring rotated               reads a ring, prints it with a new key last, which opens
//! key_ring with-last-first       reads a ring, prints it with the last key first, which seals
//! key_ring without KEY_ID        reads a ring, prints it without this key
//! key_ring ids                   reads a ring, prints the ids of its keys, the sealing one first
//! ```
//!
//! A ring is read from standard input. It is a secret: print it into a file of mode 0600 or into a
//! secret store, and not on a screen.
#![allow(clippy::print_stdout, reason = "it is a program for people to read")]

use std::{env, error::Error, io};

use tokenkeep_web::KeyRing;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ring = match arguments[..] {
        ["generate"] => KeyRing::generate()?,
        ["rotated"] => read()?.rotated()?,
        ["with-last-first"] => read()?.with_last_first(),
        ["without", id] => {
            let ring = read()?;
            let id = ring.key_ids().find(|one| one.to_string() == id);
            ring.without(id.ok_or("the key ring does not have this key")?)?
        }
        ["ids"] => {
            for id in read()?.key_ids() {
                println!("{id}");
            }
            return Ok(());
        }
        _ => {
            return Err("usage: generate | rotated | with-last-first | without KEY_ID | ids".into());
        }
    };
    println!("{}", *ring.to_text());
    Ok(())
}

fn read() -> Result<KeyRing, Box<dyn Error>> {
    Ok(io::read_to_string(io::stdin())?.parse()?)
}
