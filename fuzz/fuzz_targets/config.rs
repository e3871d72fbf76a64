//! `config.json` of a network.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::written;
use tallow_models::config::Config;

fuzz_target!(|bytes: &[u8]| {
    let _ = Config::read(&written("config.json", bytes));
});
