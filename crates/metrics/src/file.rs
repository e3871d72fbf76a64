//! `predictions.csv`: `id,group,label,predicted,` and one column of probabilities per class.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::{Error, Predictions, Result};

const FIXED: [&str; 4] = ["id", "group", "label", "predicted"];

impl Predictions {
    /// Writes `predictions.csv`. Labels are class names, an unknown group is empty, the probability columns bear the
    /// names of the classes in label order; floats are the shortest text that reads back as the same number.
    ///
    /// # Errors
    /// What [`Predictions::validate`] finds; [`Error::Io`] where the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<()> {
        self.validate()?;
        let io = |source| Error::Io { path: path.to_owned(), source };
        let mut buffer = BufWriter::new(File::create(path).map_err(io)?);
        self.to_csv(&mut buffer).map_err(io)?;
        buffer.flush().map_err(io)
    }

    /// Reads what [`Predictions::write_csv`] wrote, equal to the bit. The column `predicted` must be the argmax of its row.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with the line of a row that does not fit.
    pub fn read_csv(path: &Path) -> Result<Predictions> {
        let text = fs::read(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        // Flexible: a row of the wrong length gets our words, not the csv crate's.
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(&*text);
        let failed = |line, problem| Error::File { path: path.to_owned(), line, problem };
        let line_of =
            |position: Option<&csv::Position>| position.map_or(1, |at| line(&text, at.byte() as usize));
        let broken = |error: csv::Error| {
            let line = line_of(error.position());
            match error.into_kind() {
                csv::ErrorKind::Io(source) => Error::Io { path: path.to_owned(), source },
                csv::ErrorKind::Utf8 { .. } => failed(line, "expected UTF-8 text".to_owned()),
                other => failed(line, format!("{other:?}")),
            }
        };
        let headers = reader.headers().map_err(broken)?.clone();
        if headers.len() < FIXED.len() || headers.iter().zip(FIXED).any(|(got, expected)| got != expected) {
            let got: Vec<_> = headers.iter().take(FIXED.len()).collect();
            let problem = format!("expected the columns {} first, got {}", FIXED.join(","), got.join(","));
            return Err(failed(1, problem));
        }
        let classes: Vec<String> = headers.iter().skip(FIXED.len()).map(str::to_owned).collect();
        let mut predictions = Predictions::new(&classes);
        predictions.validate().map_err(|error| failed(1, error.to_string()))?;
        let class = |name: &str| classes.iter().position(|class| class == name).map(|index| index as u32);

        let mut row = Vec::with_capacity(classes.len());
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let failed = |problem| failed(line_of(record.position()), problem);
            if record.len() != headers.len() {
                return Err(failed(format!("expected {} fields, got {}", headers.len(), record.len())));
            }
            let label = class(&record[2]).ok_or_else(|| {
                failed(format!("label `{}` is no class; classes: {}", &record[2], classes.join(", ")))
            })?;
            row.clear();
            for (name, text) in classes.iter().zip(record.iter().skip(FIXED.len())) {
                let number = text.parse();
                row.push(number.map_err(|_| {
                    failed(format!("probability of `{name}`: expected a number, got `{text}`"))
                })?);
            }
            let group = Some(&record[1]).filter(|group| !group.is_empty());
            predictions.push(&record[0], group, label, &row).map_err(|error| failed(error.to_string()))?;
            let predicted = &classes[predictions.predicted(predictions.len() - 1) as usize];
            if record[3] != **predicted {
                let problem =
                    format!("predicted is `{}`, but the most probable class is `{predicted}`", &record[3]);
                return Err(failed(problem));
            }
        }
        Ok(predictions)
    }

    fn to_csv(&self, to: impl std::io::Write) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(FIXED.iter().copied().chain(self.classes.iter().map(String::as_str)))?;
        for index in 0..self.len() {
            writer.write_field(&self.ids[index])?;
            writer.write_field(self.groups[index].as_deref().unwrap_or(""))?;
            writer.write_field(&self.classes[self.labels[index] as usize])?;
            writer.write_field(&self.classes[self.predicted(index) as usize])?;
            for p in self.row(index) {
                writer.write_field(format!("{p:?}"))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.flush()
    }
}

/// The line of the first byte at or after `byte` that does not end one, as an editor counts: LF, CRLF and CR each end a line.
/// The csv crate's own line is too low after a CRLF.
fn line(text: &[u8], byte: usize) -> u64 {
    let ends = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let begin = byte + text[byte..].iter().take_while(ends).count();
    let ended = |&at: &usize| text[at] == b'\n' || (text[at] == b'\r' && text.get(at + 1) != Some(&b'\n'));
    1 + (0..begin).filter(ended).count() as u64
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tallow_seed::Seed;

    use crate::Predictions;

    fn read(text: &str) -> Result<Predictions, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        fs::write(&path, text).unwrap();
        let place = format!("{}:", path.display());
        Predictions::read_csv(&path).map_err(|error| error.to_string().replace(&place, "p.csv:"))
    }

    #[test]
    fn read_back_equal_to_the_bit() {
        let names = ["basal cell, carcinoma", "\"quoted\"\nname", "id"];
        let mut p = Predictions::new(&names.map(str::to_owned));
        let mut rng = Seed::new(1).fold("predictions", 0).rng();
        for index in 0..200 {
            let row = rng.dirichlet(&[0.02, 0.5, 1.0]); // down to denormal probabilities
            let group = format!("lesion, {}", index / 3);
            p.push(&format!(" image\u{e9} {index}\r"), (index % 3 > 0).then_some(&*group), index % 3, &row)
                .unwrap();
        }
        p.push("", None, 1, &[1e-310, 1.0, 0.0]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        p.write_csv(&path).unwrap();
        let back = Predictions::read_csv(&path).unwrap();
        assert_eq!(back, p);
        assert!(back.probabilities.iter().zip(&p.probabilities).all(|(a, b)| a.to_bits() == b.to_bits()));
        let empty = Predictions::new(&names.map(str::to_owned));
        empty.write_csv(&path).unwrap();
        assert_eq!(Predictions::read_csv(&path).unwrap(), empty);
    }

    #[test]
    fn the_text() {
        let mut p = Predictions::new(&["a", "b"].map(str::to_owned));
        p.push("i", Some("g"), 1, &[0.9, 0.1]).unwrap();
        p.push("j", None, 0, &[0.0, 1.0]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        p.write_csv(&path).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, "id,group,label,predicted,a,b\ni,g,b,a,0.9,0.1\nj,,a,b,0.0,1.0\n");
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let head = "id,group,label,predicted,a,b\ni,,a,a,0.9,0.1\n";
        let error = |row: &str| {
            let text = format!("{head}{row}\n");
            let [lf, crlf, cr] = ["\n", "\r\n", "\r"].map(|end| read(&text.replace('\n', end)).unwrap_err());
            assert_eq!((&lf, &lf), (&crlf, &cr));
            lf
        };
        assert_eq!(error("j,,c,a,0.9,0.1"), "p.csv:3: label `c` is no class; classes: a, b");
        assert_eq!(error("j,,a,a,0.9"), "p.csv:3: expected 6 fields, got 5");
        assert_eq!(error("j,,a,a,0.9,x"), "p.csv:3: probability of `b`: expected a number, got `x`");
        assert!(
            error("j,,a,a,0.9,0.2")
                .starts_with("p.csv:3: predictions of `j`: expected probabilities that sum")
        );
        assert_eq!(error("j,,a,b,0.9,0.1"), "p.csv:3: predicted is `b`, but the most probable class is `a`");
        assert_eq!(
            read("image,label\n").unwrap_err(),
            "p.csv:1: expected the columns id,group,label,predicted first, got image,label"
        );
        assert!(
            read("id,group,label,predicted,a,a\n")
                .unwrap_err()
                .contains("p.csv:1: predictions: class `a` is listed twice")
        );
        let missing = Predictions::read_csv(std::path::Path::new("/nowhere/p.csv")).unwrap_err().to_string();
        assert!(missing.starts_with("/nowhere/p.csv: "), "{missing}");
        let invalid = Predictions { labels: vec![0], ..Predictions::default() };
        let folder = tempfile::tempdir().unwrap();
        assert!(invalid.write_csv(&folder.path().join("p.csv")).is_err());
        assert!(!folder.path().join("p.csv").exists());
    }
}
