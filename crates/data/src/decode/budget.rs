//! Memory of images that are decoded at once: threads that hold large ones wait for each other.

use std::sync::{Condvar, Mutex, MutexGuard};

use super::{is_jpeg, jpeg, size};
use crate::Encoded;

/// Bytes for all the threads that decode together.
const BYTES: u64 = 4 << 30;

/// Bytes of a pixel while an image is decoded and seen by policies: as stored, as RGB8, and copies.
const OF_A_PIXEL: u64 = 12;

/// What is left of so many bytes.
pub struct Budget {
    whole: u64,
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    left: u64,
    /// Threads, so that without any nobody is woken: the system is asked for that.
    waiting: usize,
}

/// Bytes of a budget, given back when dropped.
pub struct Held<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub fn new() -> Budget {
        Budget::of(BYTES)
    }

    pub fn of(whole: u64) -> Budget {
        Budget { whole, state: Mutex::new(State { left: whole, waiting: 0 }), more: Condvar::new() }
    }

    /// Waits until an image fits beside those that are held. One that is larger than the budget has all of it, alone.
    pub fn hold(&self, image: &Encoded) -> Held<'_> {
        let bytes = memory(image).min(self.whole);
        let mut state = self.state();
        while state.left < bytes {
            state.waiting += 1;
            state = self.more.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
            state.waiting -= 1;
        }
        state.left -= bytes;
        Held { budget: self, bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Between lock and unlock is nothing that panics.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        state.left += self.bytes;
        if state.waiting > 0 {
            self.budget.more.notify_all();
        }
    }
}

/// About the bytes that decoding takes, by the first bytes alone where that is possible: asked for every image. Nothing for what no
/// decoder reads.
fn memory(image: &Encoded) -> u64 {
    let (Encoded::Bytes(bytes) | Encoded::Deep { bytes, .. }) = image else {
        return size(image).map_or(0, |(width, height)| of_pixels(width, height));
    };
    let claimed = if is_jpeg(bytes) {
        // Stray bytes between headers, which decoders step over.
        jpeg::claimed(bytes).or_else(|| size(image).ok())
    } else if let Some([_, header @ ..]) =
        bytes.strip_prefix(b"\x89PNG\r\n\x1a\n\0\0\0").filter(|rest| rest.len() > 12)
    {
        // The length's last byte, `IHDR`, width, height.
        let side =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        Some((side(4), side(8)))
    } else {
        size(image).ok()
    };
    claimed.map_or(0, |(width, height)| of_pixels(width, height))
}

fn of_pixels(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(OF_A_PIXEL)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::atomic::{AtomicU64, Ordering};

    use image::ImageFormat::{Bmp, Png, Tiff, WebP};

    use super::*;
    use crate::Image;
    use crate::written::{jpeg, picture};

    #[test]
    fn memory_is_told_by_the_first_bytes() {
        for format in [Png, Bmp, Tiff, WebP] {
            let mut bytes = Cursor::new(Vec::new());
            picture(40, 30).write_to(&mut bytes, format).unwrap();
            assert_eq!(memory(&Encoded::Bytes(bytes.into_inner())), 40 * 30 * 12, "{format:?}");
        }
        for orientation in [None, Some(6)] {
            let mut bytes = jpeg(&picture(40, 30), orientation);
            assert_eq!(memory(&Encoded::Bytes(bytes.clone())), 40 * 30 * 12);
            // Between two headers, where decoders step over them.
            let mut stray = bytes.clone();
            stray.splice(20..20, [1, 2, 3]);
            assert!(crate::decode(&Encoded::Bytes(stray.clone())).is_ok());
            assert_eq!(memory(&Encoded::Bytes(stray)), 40 * 30 * 12, "with stray bytes");
            bytes.truncate(300);
            assert_eq!(memory(&Encoded::Bytes(bytes)), 40 * 30 * 12, "without its picture");
        }
        let pixels = Image { width: 4, height: 2, pixels: vec![0; 24] };
        assert_eq!(memory(&Encoded::Pixels(pixels)), 96);
        for none in [&b""[..], b"\x89PNG\r\n\x1a\n\0\0\0", b"\xff\xd8\xff", b"text"] {
            assert_eq!(memory(&Encoded::Bytes(none.to_vec())), 0);
        }
    }

    #[test]
    fn threads_wait_for_each_other_and_one_image_always_fits() {
        let image = |side: u32| {
            let pixels = vec![0; (side * side * 3) as usize];
            Encoded::Pixels(Image { width: side, height: side, pixels })
        };
        // Room for two images of 10×10.
        let (budget, held, most) = (Budget::of(2 * 1200), AtomicU64::new(0), AtomicU64::new(0));
        let work = |side: u32| {
            for _ in 0..50 {
                let _held = budget.hold(&image(side));
                let bytes = u64::from(side * side * 12).min(budget.whole);
                most.fetch_max(held.fetch_add(bytes, Ordering::SeqCst) + bytes, Ordering::SeqCst);
                std::thread::yield_now();
                held.fetch_sub(bytes, Ordering::SeqCst);
            }
        };
        std::thread::scope(|scope| {
            for side in [10, 10, 10, 40, 3] {
                scope.spawn(move || work(side));
            }
        });
        assert_eq!(budget.state().left, budget.whole, "all of it is given back");
        assert!((1200..=2400).contains(&most.into_inner()), "never more than there is");
    }
}
