//! `predictions.csv`: `id,group,label,predicted,` and one column of probabilities per class.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use crate::{Error, Predictions, Result};

const FIXED: [&str; 4] = ["id", "group", "label", "predicted"];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(FORMULA)
}

/// A name that no spreadsheet carries out: behind an apostrophe, where it would.
pub fn quoted(name: &str) -> Cow<'_, str> {
    if is_formula(name) { format!("'{name}").into() } else { name.into() }
}

/// What [`quoted`] was given.
fn unquoted(field: &str) -> &str {
    field.strip_prefix('\'').filter(|name| is_formula(name)).unwrap_or(field)
}

impl Predictions {
    /// Writes `predictions.csv`. Labels are class names, an unknown group is empty, the probability columns bear the
    /// names of the classes in label order; floats are the shortest text that reads back as the same number. Names that a spreadsheet
    /// would carry out as formulas stand behind an apostrophe.
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

    /// Reads what [`Predictions::write_csv`] wrote, equal to the bit. What another program wrote may lack the columns `group` and
    /// `predicted`; `predicted` must be the argmax of its row.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::File`] with the line of a row that does not fit.
    pub fn read_csv(path: &Path) -> Result<Predictions> {
        read(path, true)
    }

    /// As [`Predictions::read_csv`], without the names of images and groups, which are most of the memory that many images of few classes
    /// take: of each image there is a label and 8 bytes for each class.
    ///
    /// # Errors
    /// As [`Predictions::read_csv`].
    pub fn read_csv_unnamed(path: &Path) -> Result<Predictions> {
        read(path, false)
    }

    fn to_csv(&self, to: impl std::io::Write) -> std::io::Result<()> {
        let mut writer = csv::Writer::from_writer(to);
        let classes: Vec<Cow<str>> = self.classes.iter().map(|class| quoted(class)).collect();
        writer.write_record(FIXED.iter().copied().chain(classes.iter().map(|class| &**class)))?;
        for index in 0..self.len() {
            writer.write_field(&*quoted(self.id(index)))?;
            writer.write_field(&*quoted(self.group(index).unwrap_or("")))?;
            writer.write_field(&*classes[self.labels[index] as usize])?;
            writer.write_field(&*classes[self.predicted(index) as usize])?;
            for p in self.row(index) {
                writer.write_field(format!("{p:?}"))?;
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer.flush()
    }
}

/// Row by row: the file is never in memory.
fn read(path: &Path, named: bool) -> Result<Predictions> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    // Flexible: a row of the wrong length gets our words, not the csv crate's.
    let file = File::open(path).map_err(io)?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).buffer_capacity(1 << 16).from_reader(file);
    let failed = |line, problem| Error::File { path: path.to_owned(), line, problem };
    let line_of = |position: Option<&csv::Position>| position.map_or(Ok(1), |at| line(path, at.byte()));
    let at = |position: Option<&csv::Position>, problem: String| match line_of(position) {
        Ok(line) => failed(line, problem),
        Err(source) => io(source),
    };
    let broken = |error: csv::Error| {
        let position = error.position().cloned();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => io(source),
            csv::ErrorKind::Utf8 { .. } => at(position.as_ref(), "expected UTF-8 text".to_owned()),
            other => at(position.as_ref(), format!("{other:?}")),
        }
    };
    let headers = reader.headers().map_err(broken)?.clone();
    let columns = Columns::of(&headers).map_err(|problem| failed(1, problem))?;
    let classes = headers.iter().skip(columns.classes);
    let classes: Vec<String> = classes.map(|class| unquoted(class).to_owned()).collect();
    let mut predictions = Predictions::new(&classes);
    predictions.validate().map_err(|error| failed(1, error.to_string()))?;

    let mut row = Vec::with_capacity(classes.len());
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(broken)? {
        let failed = |problem| at(record.position(), problem);
        if record.len() != headers.len() {
            return Err(failed(format!("expected {} fields, got {}", headers.len(), record.len())));
        }
        let label = unquoted(&record[columns.label]);
        let label = classes
            .iter()
            .position(|class| class == label)
            .ok_or_else(|| failed(format!("label `{label}` is no class; classes: {}", classes.join(", "))))?;
        row.clear();
        for (name, text) in classes.iter().zip(record.iter().skip(columns.classes)) {
            let number = text.parse();
            row.push(
                number.map_err(|_| {
                    failed(format!("probability of `{name}`: expected a number, got `{text}`"))
                })?,
            );
        }
        let group = columns.group.map(|at| unquoted(&record[at])).filter(|group| !group.is_empty());
        let pushed = if named {
            predictions.push(unquoted(&record[0]), group, label as u32, &row)
        } else {
            predictions.push_unnamed(unquoted(&record[0]), label as u32, &row)
        };
        pushed.map_err(|error| failed(error.to_string()))?;
        let predicted = &classes[predictions.predicted(predictions.len() - 1) as usize];
        if let Some(said) = columns.predicted.map(|at| unquoted(&record[at]))
            && said != predicted
        {
            let problem = format!("predicted is `{said}`, but the most probable class is `{predicted}`");
            return Err(failed(problem));
        }
    }
    Ok(predictions)
}

/// Where the columns are; the id is the first.
struct Columns {
    group: Option<usize>,
    label: usize,
    predicted: Option<usize>,
    /// The first class.
    classes: usize,
}

impl Columns {
    fn of(headers: &csv::StringRecord) -> std::result::Result<Columns, String> {
        let is = |at: usize, name: &str| headers.get(at) == Some(name);
        let group = is(1, FIXED[1]).then_some(1);
        let label = if group.is_some() { 2 } else { 1 };
        let predicted = is(label + 1, FIXED[3]).then_some(label + 1);
        if !is(0, FIXED[0]) || !is(label, FIXED[2]) {
            let got: Vec<_> = headers.iter().take(FIXED.len()).collect();
            let labels = if headers.iter().any(|name| name == FIXED[2]) {
                ""
            } else {
                "; without labels nothing can be judged"
            };
            return Err(format!(
                "expected the columns {} first, of which group and predicted may be left out, got {}{labels}",
                FIXED.join(","),
                got.join(",")
            ));
        }
        Ok(Columns { group, label, predicted, classes: predicted.unwrap_or(label) + 1 })
    }
}

/// The line of the first byte at or after `byte` that does not end one, as an editor counts: LF, CRLF and CR each end a line.
/// The csv crate's own line is too low after a CRLF.
fn line(path: &Path, byte: u64) -> std::io::Result<u64> {
    let (mut line, mut at, mut before) = (1, 0, 0);
    let mut file = BufReader::new(File::open(path)?);
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(line);
        }
        for &now in bytes {
            if at >= byte && !matches!(now, b'\r' | b'\n') {
                return Ok(line);
            }
            // The LF of a CRLF ends no other line.
            line += u64::from(now == b'\r' || (now == b'\n' && before != b'\r'));
            (at, before) = (at + 1, now);
        }
        let read = bytes.len();
        file.consume(read);
    }
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
    fn no_name_is_a_formula() {
        let names = ["=cmd|' /C calc'!A0", "+1", "'-x", "'plain", "@sum"];
        let mut p = Predictions::new(&names.map(str::to_owned));
        for (index, name) in names.iter().enumerate() {
            p.push(&format!("{name}.jpg"), Some(name), index as u32, &[0.2; 5]).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        p.write_csv(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("id,group,label,predicted,'=cmd|' /C calc'!A0,'+1,''-x,'plain,'@sum\n"),
            "{text}"
        );
        let mut fields = text.lines().flat_map(|line| line.split(','));
        assert!(fields.all(|field| !field.starts_with(['=', '+', '-', '@'])), "{text}");
        assert_eq!(Predictions::read_csv(&path).unwrap(), p);
        // Of a program that writes them as they are.
        assert_eq!(read("id,label,a\n=x,a,1\n").unwrap().id(0), "=x");
    }

    #[test]
    fn columns_that_other_programs_lack_may_be_left_out() {
        let text = "id,group,label,predicted,a,b\ni,,b,a,0.9,0.1\nj,,a,b,0.0,1.0\n";
        let whole = read(text).unwrap();
        for without in [[true, false], [false, true], [true, true]] {
            let line = |line: &str| {
                let fields = line.split(',').zip([false, without[0], false, without[1], false, false]);
                fields.filter(|(_, out)| !out).map(|(field, _)| field).collect::<Vec<_>>().join(",") + "\n"
            };
            assert_eq!(read(&text.lines().map(line).collect::<String>()).unwrap(), whole);
        }
        // A class may be called so, behind the label.
        assert_eq!(read("id,label,group\ni,group,1\n").unwrap().classes, ["group"]);
    }

    #[test]
    fn without_names_the_metrics_are_the_same() {
        let named = crate::random::random(50, 3, false, 1);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        named.write_csv(&path).unwrap();
        let unnamed = Predictions::read_csv_unnamed(&path).unwrap();
        unnamed.validate().unwrap();
        assert_eq!(unnamed, Predictions { ids: vec![], groups: vec![], ..named.clone() });
        for metric in crate::METRICS {
            assert_eq!((metric.of)(&unnamed).to_bits(), (metric.of)(&named).to_bits(), "{}", metric.name);
        }
        let alone = Predictions { groups: vec![None; 50], ..named };
        let how = crate::Resampling { resamples: 20, level: 0.9, by_group: true, seed: Seed::new(1) };
        let brier = crate::find("brier").unwrap();
        assert_eq!(
            crate::interval(&unnamed, brier, &how).unwrap(),
            crate::interval(&alone, brier, &how).unwrap()
        );
        let error = crate::compare(&unnamed, &alone, brier, &how).unwrap_err().to_string();
        assert_eq!(error, "predictions: the images have no ids; expected ids to match them by");
        fs::write(&path, "id,label,a,b\ni,a,0.9,0.9\n").unwrap();
        let error = Predictions::read_csv_unnamed(&path).unwrap_err().to_string();
        assert!(error.contains(":2: predictions of `i`: expected probabilities that sum"), "{error}");
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
            "p.csv:1: expected the columns id,group,label,predicted first, of which group and predicted may be left out, got image,label"
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
