//! Files of a folder: which are images, in what order.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// Names that image files end in, in any case.
pub const EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"];

/// The image files below a folder, told by [`EXTENSIONS`], in the order of their names, without hidden ones.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be read.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    walk(folder, &mut files)?;
    files.retain(|path| is_image(path));
    Ok(files)
}

/// Whether a name ends in one of [`EXTENSIONS`].
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.contains(&extension.to_lowercase().as_str())
}

/// Adds every file below a folder, in the order of their names.
pub fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for path in sorted(folder)? {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// What is in a folder, sorted, without hidden entries.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// `path` below `root`, with `/` on every system.
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The name of a file without its folders and, where it is one of [`EXTENSIONS`], its extension; a dot within a name stays.
pub fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS.contains(&extension.to_lowercase().as_str()) => stem,
        _ => name,
    }
}
