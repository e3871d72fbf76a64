//! Compiled kernels between runs: a file each in the user's cache folder, in the order key, program, hash of both.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What a program is made of; another one is another file.
pub struct Key {
    /// Of the source and its type, for people who look into the folder.
    pub name: String,
    pub text: String,
    pub options: Vec<String>,
    pub nvrtc: (i32, i32),
}

/// Where programs are kept; without a folder nothing is.
pub struct Cache {
    folder: Option<PathBuf>,
}

/// The first line; of another version nothing is read.
const HEAD: &str = "tallow kernel 1";

impl Key {
    /// All of it, on lines.
    fn whole(&self) -> String {
        let (major, minor) = self.nvrtc;
        format!("{HEAD}\nNVRTC {major}.{minor} {}\n{}\n", self.options.join(" "), self.text)
    }

    fn file(&self) -> String {
        format!("{}_{:016x}.ptx", self.name, hash(&self.whole()))
    }
}

impl Cache {
    /// `kernels` in `$TALLOW_CACHE`, else in `tallow` in the user's cache folder: `$XDG_CACHE_HOME`, `~/.cache`, `%LOCALAPPDATA%`.
    pub fn of_user() -> Cache {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let user = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .or_else(|| folder("LOCALAPPDATA"));
        let ours = folder("TALLOW_CACHE").or_else(|| user.map(|user| user.join("tallow")));
        Cache { folder: ours.map(|ours| ours.join("kernels")) }
    }

    /// None where it is not there or damaged.
    pub fn get(&self, key: &Key) -> Option<String> {
        let text = fs::read_to_string(self.folder.as_ref()?.join(key.file())).ok()?;
        let (kept, sum) = text.trim_end().rsplit_once('\n')?;
        let intact = sum == format!("{:016x}", hash(kept));
        intact.then(|| kept.strip_prefix(&key.whole()).map(str::to_owned)).flatten()
    }

    /// Whole or not at all; a cache that cannot be written is none, and nothing to stop for.
    pub fn put(&self, key: &Key, program: &str) {
        if let Some(folder) = &self.folder {
            let kept = key.whole() + program;
            let text = format!("{kept}\n{:016x}\n", hash(&kept));
            let _ = written(folder, &key.file(), &text);
        }
    }
}

fn written(folder: &Path, name: &str, text: &str) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let part = folder.join(format!(".{name}.{}", std::process::id()));
    let whole = || {
        let mut file = fs::File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, folder.join(name))
    };
    whole().inspect_err(|_| drop(fs::remove_file(&part)))
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_or_of_another_key_is_not_there() {
        let folder = std::env::temp_dir().join(format!("tallow_kernels_{}", std::process::id()));
        let cache = Cache { folder: Some(folder.clone()) };
        let key = |text: &str, nvrtc| Key {
            name: "softmax_f32".into(),
            text: text.into(),
            options: vec!["--gpu-architecture=compute_90".into()],
            nvrtc,
        };
        let ours = key("kernel", (13, 0));
        assert_eq!(cache.get(&ours), None);
        cache.put(&ours, ".version 9\n.entry");
        assert_eq!(cache.get(&ours).as_deref(), Some(".version 9\n.entry"));
        assert_eq!(cache.get(&key("another", (13, 0))), None);
        assert_eq!(cache.get(&key("kernel", (13, 1))), None);
        let file = folder.join(ours.file());
        let whole = fs::read(&file).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no part stays");
        let mut other = whole.clone();
        other[whole.len() - 25] ^= 1;
        for damaged in [&whole[..whole.len() - 4], &whole[..9], &other, b"\xff"] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(cache.get(&ours), None);
        }
        cache.put(&ours, "anew");
        assert_eq!(cache.get(&ours).as_deref(), Some("anew"));
        fs::remove_dir_all(folder).unwrap();
        // No folder can be made below a file.
        let nowhere =
            Cache { folder: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml/kernels")) };
        nowhere.put(&ours, "lost");
        assert_eq!(nowhere.get(&ours), None);
    }
}
