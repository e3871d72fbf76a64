//! A table of text with a header, whatever separates its columns.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use crate::error::Mistakes;
use crate::texts::Texts;
use crate::{Error, Result, file, suggestion};

/// A CSV in memory.
pub struct CsvFile {
    pub path: PathBuf,
    pub header: Vec<String>,
    /// Of all rows, as many for each as the header has.
    fields: Texts,
    /// In which each row begins.
    lines: Vec<u64>,
}

/// The fields of a row.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    all: &'a Texts,
    first: usize,
}

impl<'a> Fields<'a> {
    pub fn get(self, column: usize) -> &'a str {
        self.all.get(self.first + column)
    }
}

impl CsvFile {
    /// Commas, semicolons or tabs: the one that the header line has most of. Fields are trimmed; a byte order mark is skipped.
    /// Errs with every row that has not as many fields as the header.
    pub fn read(path: &Path) -> Result<CsvFile> {
        CsvFile::read_as(path, None)
    }

    /// The same in an encoding of the WHATWG's names (`utf-16`, `windows-1252`, `gbk` …). Without one it is what a byte order
    /// mark says, else UTF-8, and Latin-1 (windows-1252) where the bytes are not UTF-8.
    pub fn read_as(path: &Path, encoding: Option<&str>) -> Result<CsvFile> {
        let bytes = file::read(path)?;
        let text = decoded(path, &bytes, encoding)?;
        let text = text.trim_start_matches('\u{feff}');
        let first = text.lines().next().unwrap_or_default();
        let separator = [b',', b';', b'\t']
            .into_iter()
            .rev()
            .max_by_key(|separator| first.bytes().filter(|byte| byte == separator).count())
            .expect("three to choose from");
        // Flexible: a row of the wrong length gets our words and line, not the csv crate's.
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .trim(csv::Trim::All)
            .flexible(true)
            .from_reader(text.as_bytes());
        let invalid = |error: csv::Error| Error::invalid(path.display(), error.to_string());
        let header = reader.headers().map_err(invalid)?.iter().map(str::to_string).collect();
        let mut csv =
            CsvFile { path: path.to_path_buf(), header, fields: Texts::default(), lines: Vec::new() };
        let mut lines = Lines { text: text.as_bytes(), at: 0, line: 1 };
        let mut mistakes = Mistakes::default();
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(invalid)? {
            let line = lines.of(record.position().map_or(0, |position| position.byte() as usize));
            if record.len() != csv.header.len() {
                let (expected, got) = (csv.header.len(), record.len());
                let problem = format!(
                    "expected {expected} fields, as the header has, got {got} – a field that holds a separator is written in quotes"
                );
                mistakes.push(csv.wrong(line, problem));
                continue;
            }
            csv.lines.push(line);
            record.iter().for_each(|field| csv.fields.push(field));
        }
        mistakes.end()?;
        Ok(csv)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Fields of a row.
    pub fn row(&self, row: usize) -> Fields<'_> {
        Fields { all: &self.fields, first: row * self.header.len() }
    }

    /// The line of the file in which a row begins.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// (line, fields) of every row.
    pub fn rows(&self) -> impl Iterator<Item = (u64, Fields<'_>)> {
        (0..self.len()).map(|row| (self.line(row), self.row(row)))
    }

    /// Where the column called `name` is, if it is there.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Where the column called `name` is; the error ends with `remedy`.
    pub fn column(&self, name: &str, remedy: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let near = suggestion(name, self.header.iter().map(String::as_str));
            let problem = format!("expected a column `{name}`{near} – {remedy}");
            Error::invalid(self.path.display(), problem)
        })
    }

    /// An error at a line of the file.
    pub fn wrong(&self, line: u64, problem: impl Into<String>) -> Error {
        Error::invalid(format!("{}:{line}", self.path.display()), problem)
    }
}

fn decoded<'a>(path: &Path, bytes: &'a [u8], name: Option<&str>) -> Result<Cow<'a, str>> {
    let Some(name) = name else {
        let (text, _, is_wrong) = UTF_8.decode(bytes);
        return Ok(if is_wrong { WINDOWS_1252.decode(bytes).0 } else { text });
    };
    let unknown = || {
        Error::option(
            "encoding",
            format!("no encoding is called `{name}` – write one such as utf-8, utf-16 or latin1"),
        )
    };
    let (text, used, is_wrong) = Encoding::for_label(name.as_bytes()).ok_or_else(unknown)?.decode(bytes);
    if !is_wrong {
        return Ok(text);
    }
    let line = text.split('\u{fffd}').next().unwrap_or_default().lines().count().max(1);
    let problem = format!("is not {} – write data.encoding=latin1, or another", used.name());
    Err(Error::invalid(format!("{}:{line}", path.display()), problem))
}

/// Line numbers of rows, as an editor counts them: LF, CRLF and CR each end a line, also within quotes.
///
/// The csv crate says where a row begins before it has passed the line feed of the row before it and empty lines, so its
/// own line is too low after either.
struct Lines<'a> {
    text: &'a [u8],
    /// Of this byte, `line` is known.
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first byte at or after `byte` that does not end a line. `byte` never falls from call to call.
    fn of(&mut self, byte: usize) -> u64 {
        let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let begin = byte + self.text[byte..].iter().take_while(|byte| ends(byte)).count();
        for at in self.at..begin {
            let ended = match self.text[at] {
                b'\n' => true,
                b'\r' => self.text.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            self.line += u64::from(ended);
        }
        self.at = begin;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::CsvFile;
    use crate::written::file;

    fn read(text: &str) -> crate::Result<CsvFile> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        file(&path, text);
        CsvFile::read(&path)
    }

    #[test]
    fn lines_are_those_of_an_editor() {
        // a at 2, an empty line, b with a cell over 4 and 5, c at 6, two empty lines, d at 9.
        let text = "x,y\na,1\n\n\"b\nb\",2\nc,3\n\n\nd,4\n";
        for end in ["\n", "\r\n", "\r"] {
            for mark in ["", "\u{feff}"] {
                let csv = read(&format!("{mark}{}", text.replace('\n', end))).unwrap();
                let found: Vec<(u64, &str)> = csv.rows().map(|(at, row)| (at, row.get(1))).collect();
                assert_eq!(found, [(2, "1"), (4, "2"), (6, "3"), (9, "4")], "{end:?} {mark:?}");
            }
        }
        assert_eq!(read("x,y\r\na,1").unwrap().line(0), 2);
    }

    #[test]
    fn rows_of_another_length_are_named_by_their_lines() {
        let error = read("x,y\r\na,1\r\nb,1,2\r\nc\r\n").err().unwrap().to_string();
        let lines: Vec<&str> = error.lines().map(|line| line.split_once("t.csv:").unwrap().1).collect();
        assert!(lines[0].starts_with("3: expected 2 fields, as the header has, got 3 – "), "{error}");
        assert!(lines[1].starts_with("4: expected 2 fields, as the header has, got 1 – "), "{error}");
    }
}
