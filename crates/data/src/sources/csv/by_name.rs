//! Image files by their names without folders and extension.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::unpadded;
use crate::Result;
use crate::readers::files::{Links, images, stem};

/// The file of each name, where that is one file's alone.
pub struct ByName(HashMap<String, Option<PathBuf>>);

impl ByName {
    pub fn below(root: &Path, links: Links) -> Result<ByName> {
        let mut names = HashMap::new();
        let found = if root.is_dir() { images(root, links)? } else { Vec::new() };
        for path in found {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = stem(&name).to_owned();
            let short = unpadded(&plain).to_owned();
            for key in [Some(plain.clone()), (short != plain).then_some(short)].into_iter().flatten() {
                names.entry(key).and_modify(|one| *one = None).or_insert_with(|| Some(path.clone()));
            }
        }
        Ok(ByName(names))
    }

    /// The file of an id without extension, or of one that lost its leading zeros in a spreadsheet.
    pub fn find(&self, id: &str) -> Option<&PathBuf> {
        let name = stem(id);
        self.0.get(name).or_else(|| self.0.get(unpadded(name)))?.as_ref()
    }
}
