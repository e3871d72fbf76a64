//! `SHA256SUMS`: what the bytes of a checkpoint's files were when they were written, in the form that `sha256sum -c` reads.

use super::checkpoint;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use tallow_data::counted;

/// The file's name.
pub const SUMS: &str = "SHA256SUMS";

/// A comment that says how many sums there are: a file that is cut is no list of fewer.
fn last_line(count: usize) -> String {
    format!("# {}\n", counted(count, "file"))
}

/// Writes the sums of all files of a folder.
pub fn write(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    let mut paths: Vec<_> =
        entries.map_err(Error::io(folder))?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let (mut text, count) = (String::new(), paths.len());
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        text += &format!("{}  {name}\n", sha256(&path).map_err(Error::io(&path))?);
    }
    text += &last_line(count);
    checkpoint::write(&folder.join(SUMS), text.as_bytes())
}

/// Holds files of a checkpoint against their sums: the named ones, or all that have one. `false` where there are no sums, as before
/// they were written and on the hub.
///
/// # Errors
/// [`Error::Checkpoint`]: a file that is missing, has other bytes or no sum; sums that cannot be read.
pub fn verify(place: &Path, names: Option<&[&str]>) -> Result<bool> {
    let path = place.join(SUMS);
    if !path.exists() {
        return Ok(false);
    }
    let text = checkpoint::read(place, SUMS)?;
    let broken = |problem: String| Error::Checkpoint(format!("{}: {problem}", path.display()));
    let mut lines: Vec<&str> = text.lines().collect();
    let last = lines.pop().unwrap_or_default();
    if let Some(line) = lines.iter().find(|line| listed(line).is_none()) {
        return Err(broken(format!("expected a SHA-256 and a name in each line, got `{line}`")));
    }
    let expected = last_line(lines.len());
    if last != expected.trim_end() {
        return Err(broken(format!("expected the last line `{}`, got `{last}`", expected.trim_end())));
    }
    let sums: Vec<(&str, &str)> = lines.iter().filter_map(|line| listed(line)).collect();
    let wanted = names.map_or_else(|| sums.iter().map(|(_, name)| *name).collect(), <[&str]>::to_vec);
    for name in wanted {
        let found = sums.iter().find(|(_, listed)| *listed == name);
        let (sum, _) = found.ok_or_else(|| broken(format!("has no sum of {name}")))?;
        let file = place.join(name);
        let wrong = |problem: &str| Error::Checkpoint(format!("{}: {problem}", file.display()));
        if sha256(&file).map_err(|error| wrong(&error.to_string()))? != *sum {
            return Err(wrong(
                "holds other bytes than were written (their SHA-256 is not that of SHA256SUMS; whoever changed them on purpose removes \
                 SHA256SUMS)",
            ));
        }
    }
    Ok(true)
}

/// The sum and the name of a line.
fn listed(line: &str) -> Option<(&str, &str)> {
    line.split_once("  ").filter(|(sum, name)| is_sum(sum) && is_name(name))
}

fn is_sum(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A file of the folder itself, and none elsewhere.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text != ".." && !text.contains(['/', '\\'])
}

fn sha256(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_told_from_what_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        assert!(!verify(place, None).unwrap());
        fs::write(place.join("a"), "abc").unwrap();
        fs::write(place.join("b.json"), "{}").unwrap();
        write(place).unwrap();
        // SHA-256 of "abc", FIPS 180-2 appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let sums = fs::read_to_string(place.join(SUMS)).unwrap();
        assert!(sums.starts_with(&format!("{abc}  a\n")) && sums.ends_with("\n# 2 files\n"), "{sums}");
        assert!(verify(place, None).unwrap());
        let refused = |names: Option<&[&str]>| verify(place, names).unwrap_err().to_string();
        fs::write(place.join("b.json"), "[]").unwrap();
        assert!(refused(None).contains("b.json: holds other bytes than were written"));
        assert!(verify(place, Some(&["a"])).unwrap());
        fs::remove_file(place.join("a")).unwrap();
        assert!(refused(Some(&["a"])).contains("a: No such file"));
        for wrong in ["abc  a", &format!("{abc} a"), &format!("{abc}  ../a"), ""] {
            fs::write(place.join(SUMS), format!("{wrong}\n# 1 file\n")).unwrap();
            assert!(refused(None).contains("expected a SHA-256 and a name"), "{wrong}");
        }
        // Cut, at the end of a line too.
        for cut in ["", &sums[..sums.len() - 1 - "# 2 files".len()], &sums[..70], "# 2 files\n"] {
            fs::write(place.join(SUMS), cut).unwrap();
            assert!(refused(None).contains("the last line `# "), "{cut}");
        }
        fs::write(place.join(SUMS), &sums).unwrap();
        assert!(refused(Some(&["c"])).contains("has no sum of c"));
    }

    /// The tool that people have.
    #[test]
    #[cfg(target_os = "linux")]
    fn sha256sum_agrees() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("weights"), vec![7; 3 << 20]).unwrap();
        write(folder.path()).unwrap();
        let checked =
            std::process::Command::new("sha256sum").args(["-c", SUMS]).current_dir(folder.path()).output();
        match checked {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
    }
}
