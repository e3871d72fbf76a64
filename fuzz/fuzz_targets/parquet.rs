//! Parquet files of images.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{read_all, written};

fuzz_target!(
    // What panics in the library is caught by who calls it, and told as a broken file.
    init: std::panic::set_hook(Box::new(|panic| {
        if panic.location().is_none_or(|place| !place.file().contains("/parquet-")) {
            eprintln!("{panic}");
            std::process::abort();
        }
    })),
    |bytes: &[u8]| {
    let file = written("set.parquet", bytes);
    read_all("parquet", &format!("{{ train: {} }}", file.display()));
    }
);
