//! A table of text with a header, whatever separates its columns.

use std::path::{Path, PathBuf};

use crate::options::suggestion;
use crate::{Error, Result};

/// A CSV in memory.
pub struct CsvFile {
    pub path: PathBuf,
    pub header: Vec<String>,
    /// (line in the file, fields); as many fields as the header has.
    pub rows: Vec<(u64, Vec<String>)>,
}

impl CsvFile {
    /// Commas, semicolons or tabs: the one that the header line has most of. Fields are trimmed; a byte order mark is skipped.
    pub fn read(path: &Path) -> Result<CsvFile> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path))?;
        let text = text.trim_start_matches('\u{feff}');
        let first = text.lines().next().unwrap_or_default();
        let separator = [b',', b';', b'\t']
            .into_iter()
            .rev()
            .max_by_key(|separator| first.bytes().filter(|byte| byte == separator).count())
            .expect("three to choose from");
        let mut reader =
            csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
        let invalid = |error: csv::Error| Error::invalid(path.display(), error.to_string());
        let header = reader.headers().map_err(invalid)?.iter().map(str::to_string).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(invalid)?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push((line, record.iter().map(str::to_string).collect()));
        }
        Ok(CsvFile { path: path.to_path_buf(), header, rows })
    }

    /// Where the column called `name` is, if it is there.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// Where the column called `name` is.
    pub fn column(&self, name: &str) -> Result<usize> {
        self.find(name).ok_or_else(|| {
            let near = suggestion(name, self.header.iter().map(String::as_str));
            let problem = format!("expected a column `{name}`{near}; columns: {}", self.header.join(", "));
            Error::invalid(self.path.display(), problem)
        })
    }

    /// An error at a line of the file.
    pub fn wrong(&self, line: u64, problem: impl Into<String>) -> Error {
        Error::invalid(format!("{}:{line}", self.path.display()), problem)
    }
}
