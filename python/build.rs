//! What the linker is told besides.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // The names of Python are those of the interpreter that loads the module.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "macos") {
        println!("cargo:rustc-cdylib-link-arg=-undefined");
        println!("cargo:rustc-cdylib-link-arg=dynamic_lookup");
    }
}
