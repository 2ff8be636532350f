mod browser;
mod client;
mod finish;
mod listen;
mod wait;
