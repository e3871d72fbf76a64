//! One picture on the host.

use std::path::PathBuf;

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
    /// Already decoded.
    Pixels(Image),
}
