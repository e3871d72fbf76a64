//! Files of a folder: which are images, in what order, and which links are followed.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::{Error, Result};

/// Names that image files end in, in any case.
pub const EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"];

/// What becomes of links. Those to files are followed in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Links to folders are an error that ends with this remedy.
    Refused(&'static str),
    /// Links to folders are followed, each folder once.
    Followed,
}

/// A file below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: PathBuf,
    /// The same without links; of a link to nothing its own path.
    pub real: PathBuf,
    /// Whether a link led to it.
    pub is_linked: bool,
}

/// The image files below a folder, told by [`EXTENSIONS`], in the order of their names, without hidden ones, each once: a file that a
/// link leads to as well counts where it is.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be read; [`Error::Invalid`] for a link to a folder.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>> {
    images(folder, Links::Refused("name the folder that it leads to"))
}

/// The same with a word on links.
pub fn images(folder: &Path, links: Links) -> Result<Vec<PathBuf>> {
    let mut files = walk(folder, links)?;
    files.retain(|file| is_image(&file.path));
    Ok(once(files).0.into_iter().map(|file| file.path).collect())
}

/// Whether a name ends in one of [`EXTENSIONS`].
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.contains(&extension.to_lowercase().as_str())
}

/// Every file below a folder, in the order of their names, without hidden ones. The folder itself may be a link.
pub fn walk(folder: &Path, links: Links) -> Result<Vec<Found>> {
    let real = fs::canonicalize(folder).map_err(Error::io(folder))?;
    let is_linked = is_link(folder);
    let mut walk = Walk { links, seen: HashSet::new(), files: Vec::new(), later: Vec::new() };
    walk.below(folder, &real, is_linked)?;
    // A folder that a link leads to as well counts where it is, so links come last.
    while let Some(link) = walk.later.pop() {
        let real = fs::canonicalize(&link).map_err(Error::io(&link))?;
        walk.below(&link, &real, true)?;
    }
    let mut files = walk.files;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

struct Walk {
    links: Links,
    /// Real folders.
    seen: HashSet<PathBuf>,
    files: Vec<Found>,
    /// Links to folders, the last first.
    later: Vec<PathBuf>,
}

impl Walk {
    fn below(&mut self, folder: &Path, real: &Path, is_linked: bool) -> Result<()> {
        if !self.seen.insert(real.to_path_buf()) {
            return Ok(());
        }
        let mut links = Vec::new();
        for (path, kind) in entries(folder)? {
            if kind.is_symlink() && path.is_dir() {
                self.links.check(&path)?;
                links.push(path);
                continue;
            }
            let found = Found::of(path, kind, real, is_linked);
            if kind.is_dir() {
                self.below(&found.path, &found.real, is_linked)?;
            } else {
                self.files.push(found);
            }
        }
        self.later.extend(links.into_iter().rev());
        Ok(())
    }
}

impl Found {
    /// An entry of a folder whose path without links is `real`; `is_linked` says whether a link led to that.
    fn of(path: PathBuf, kind: fs::FileType, real: &Path, is_linked: bool) -> Found {
        let here = real.join(path.file_name().unwrap_or_default());
        match kind.is_symlink() {
            true => Found { real: fs::canonicalize(&path).unwrap_or(here), path, is_linked: true },
            false => Found { path, real: here, is_linked },
        }
    }
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|about| about.is_symlink())
}

impl Links {
    /// A folder that may be read: none that is a link, where those are refused.
    pub fn check(self, folder: &Path) -> Result<()> {
        match self {
            Links::Refused(remedy) if is_link(folder) => {
                let problem =
                    format!("a link to a folder – expected folders, and links to files alone – {remedy}");
                Err(Error::invalid(folder.display(), problem))
            }
            _ => Ok(()),
        }
    }
}

/// Of files that are one without links the first that is no link, else the first; and how many more there were.
pub fn once(files: Vec<Found>) -> (Vec<Found>, usize) {
    if !files.iter().any(|file| file.is_linked) {
        return (files, 0);
    }
    let count = files.len();
    let mut kept: HashMap<&Path, usize> = HashMap::new();
    for (at, file) in files.iter().enumerate() {
        let first = kept.entry(&file.real).or_insert(at);
        if files[*first].is_linked && !file.is_linked {
            *first = at;
        }
    }
    let kept: HashSet<usize> = kept.into_values().collect();
    let files: Vec<Found> =
        files.into_iter().enumerate().filter_map(|(at, file)| kept.contains(&at).then_some(file)).collect();
    let more = count - files.len();
    (files, more)
}

/// What is in a folder, sorted, without hidden entries; whether it is a folder is told of no link.
fn entries(folder: &Path) -> Result<Vec<(PathBuf, fs::FileType)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let entry = entry.map_err(Error::io(folder))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            found.push((entry.path(), entry.file_type().map_err(Error::io(folder))?));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

/// What is in a folder, folders among it, sorted, without hidden entries.
pub fn listed(folder: &Path) -> Result<Vec<Found>> {
    let real = fs::canonicalize(folder).map_err(Error::io(folder))?;
    let is_linked = is_link(folder);
    Ok(entries(folder)?.into_iter().map(|(path, kind)| Found::of(path, kind, &real, is_linked)).collect())
}

/// What is in a folder, sorted, without hidden entries.
pub fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().map(|(path, _)| path).collect())
}

/// `path` below `root`, with `/` on every system.
pub fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Whether a path, as it is written, leads out of a folder.
pub fn leaves(path: &Path, root: &Path) -> bool {
    let below = path.strip_prefix(root).unwrap_or(path);
    let is_plain = |part: Component| matches!(part, Component::Normal(_) | Component::CurDir);
    !below.components().all(is_plain) && !written(path).starts_with(written(root))
}

/// The whole path, `..` and the name before it left out, links unseen.
fn written(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}

/// The name of a file without its folders and, where it is one of [`EXTENSIONS`], its extension; a dot within a name stays.
pub fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match name.rsplit_once('.') {
        Some((stem, extension)) if EXTENSIONS.contains(&extension.to_lowercase().as_str()) => stem,
        _ => name,
    }
}
