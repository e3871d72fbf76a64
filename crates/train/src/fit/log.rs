//! What a run says, kept in its folder: the lines that are on stderr, bars aside, and why it ended, where that was before its end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Of all parts of a resumed run, one after the other.
pub const LOG: &str = "log.txt";

/// How an error begins that ended a run.
const FAILED: &str = "error: ";
/// So many bytes of a log are read, from its end.
const READ: u64 = 64 << 10;

impl crate::Error {
    /// The line that ends the log of a run that ends by this: one that was asked to stop did not fail.
    pub fn last_words(&self) -> String {
        match self {
            crate::Error::Interrupted { message, .. } => message.clone(),
            other => format!("{FAILED}{other}"),
        }
    }
}

/// The last lines of a log; none where it cannot be read.
pub fn last_lines(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(READ)))?;
        let mut bytes = Vec::new();
        file.take(READ).read_to_end(&mut bytes)?;
        // The first line may be half of one.
        let begin = if length > READ {
            bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)
        } else {
            0
        };
        Ok(bytes.split_off(begin))
    };
    let bytes = read().unwrap_or_default();
    String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect()
}

/// Whether the last part of a run ended by an error, by its last lines. A part begins with an empty line.
pub fn shows_failure(lines: &[String]) -> bool {
    lines.iter().rev().take_while(|line| !line.is_empty()).any(|line| line.starts_with(FAILED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_tells() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        assert!(shows_failure(&lines("epoch 1\nerror: the loss is not finite\nsee above")));
        assert!(!shows_failure(&lines("error: the loss is not finite\n\nepoch 1")));
        assert!(!shows_failure(&[]));
        let stopped = crate::Error::Interrupted { signal: 2, message: "stopped by signal 2".into() };
        assert_eq!(stopped.last_words(), "stopped by signal 2");
        assert_eq!(crate::Error::Data("x: y".into()).last_words(), "error: x: y");
    }

    #[test]
    fn of_a_long_log_the_end_is_read() {
        let place = tempfile::tempdir().unwrap().keep().join("log.txt");
        std::fs::write(&place, "0123456789abcde\n".repeat(10_000)).unwrap();
        let lines = last_lines(&place);
        assert_eq!((lines.len(), lines[0].as_str()), ((READ / 16) as usize - 1, "0123456789abcde"));
        std::fs::remove_dir_all(place.parent().unwrap()).unwrap();
        assert!(last_lines(&place).is_empty());
    }
}
