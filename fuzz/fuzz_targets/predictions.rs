//! Predictions of another program, and what is written of them again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::{folder, written};
use tallow_metrics::Predictions;

fuzz_target!(|bytes: &[u8]| {
    let file = written("predictions.csv", bytes);
    let unnamed = Predictions::read_csv_unnamed(&file);
    let Ok(read) = Predictions::read_csv(&file) else { return };
    assert_eq!(unnamed.expect("read by name").labels, read.labels);
    let again = folder().join("again.csv");
    if read.write_csv(&again).is_ok() {
        let second = Predictions::read_csv(&again).expect("what was written is read");
        assert!(second == read, "{read:?}\n{second:?}");
    }
});
