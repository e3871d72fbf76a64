//! Images of every format: their ends, headers and pixels, which must agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tallow_data::{Encoded, check_whole, decode_within, size};
use tallow_fuzz::PIXELS;

fuzz_target!(|bytes: &[u8]| {
    let encoded = Encoded::Bytes(bytes.to_vec());
    let (whole, claimed) = (check_whole(&encoded), size(&encoded));
    if let Ok(image) = decode_within(&encoded, PIXELS) {
        let (width, height) = claimed.expect("what was decoded has a header");
        assert_eq!((image.width, image.height), (width, height));
        assert_eq!(image.pixels.len() as u64, u64::from(width) * u64::from(height) * 3);
        assert!(whole.is_ok(), "decoded, and not whole");
    }
});
