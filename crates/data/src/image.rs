//! One picture on the host.

use std::path::PathBuf;

use crate::Window;

/// RGB8, rows from the top, (height, width, 3) bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub width: u32,
    pub height: u32,
    pub pixels: Vec<u8>,
}

/// An image as a dataset stores it.
#[derive(Clone, Debug)]
pub enum Encoded {
    /// A file of any supported format.
    File(PathBuf),
    /// The bytes of such a file.
    Bytes(Vec<u8>),
    /// The bytes of a file of 16 bits a channel, and which of its levels become black and white.
    Deep { bytes: Vec<u8>, window: Window },
    /// Already decoded.
    Pixels(Image),
}
