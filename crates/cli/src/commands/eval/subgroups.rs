//! `eval --subgroups FILE.csv:COLUMN`: the metrics of the images of each value of a column.

use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use tallow_data::{Attribute, counted};
use tallow_metrics::{Predictions, Subgroups};
use tallow_report::{Division, DivisionPart, Headline, ellipsis};
use tallow_train::{Error, headline, intervals};

/// What a table shows; JSON has all of the headline.
const SHOWN: [&str; 3] = ["balanced_accuracy", "macro_f1", "auroc"];
/// Of a group whose images have several values.
const SEVERAL: &str = "several values";

/// What `--subgroups` names, and what it says of the images.
pub struct Asked {
    text: String,
    file: PathBuf,
    column: String,
    cuts: Option<Vec<f64>>,
    found: Attribute,
}

/// A division, with the metrics of each of its parts.
pub struct Divided {
    asked: Asked,
    parts: Vec<Part>,
    /// Classes without an image in some part.
    lacks_classes: bool,
}

struct Part {
    /// `None` where the file says nothing.
    value: Option<String>,
    predictions: Predictions,
    /// Of which the rows are.
    images: usize,
    headline: Vec<Headline>,
}

/// Looks up `FILE.csv:COLUMN` or `FILE.csv:COLUMN=0,40,60` for images.
///
/// # Errors
/// A file or column that is not there, cuts that are no numbers.
pub fn look(text: &str, ids: &[String], groups: &[Option<String>]) -> Result<Asked, Error> {
    let (file, column, cuts) = parse(text)?;
    let found = Attribute::read(&file, &column, ids, groups)?;
    let asked = Asked { text: text.to_owned(), file, column, cuts, found };
    asked.divide(&asked.found.values)?;
    Ok(asked)
}

impl Asked {
    fn divide(&self, values: &[Option<String>]) -> Result<Subgroups, Error> {
        Subgroups::new(values, self.cuts.as_deref()).map_err(|error| self.mistake(error))
    }

    fn mistake(&self, error: tallow_metrics::Error) -> Error {
        Error::recipe(format!("--subgroups {}: {error}", self.text))
    }

    /// How many images are not in the file; nothing where all are.
    pub fn note(&self) -> Option<String> {
        let not = counted(self.found.strangers, "image");
        (self.found.strangers > 0).then(|| format!("note: {not} not in {}", self.file.display()))
    }
}

/// Divides the rows of `predictions`; each is of some of the images that were looked up.
///
/// # Errors
/// Predictions that do not belong to the rows.
pub fn divided(
    asked: Asked,
    predictions: &Predictions,
    rows: &[Vec<usize>],
    group: Option<&str>,
) -> Result<Divided, Error> {
    let known = &asked.found.values;
    let are_numbers = known.iter().flatten().all(|value| value.parse::<f64>().is_ok());
    let value = |row: &Vec<usize>| {
        let first = &known[row[0]];
        let is_one = row.iter().all(|&image| known[image] == *first);
        // Between numbers there is no place for words.
        let several = || (!are_numbers).then(|| SEVERAL.to_owned());
        if is_one { first.clone() } else { several() }
    };
    let subgroups = asked.divide(&rows.iter().map(value).collect::<Vec<_>>())?;
    let of = |(at, (value, predictions)): (usize, (Option<&str>, Predictions))| {
        let place = value.map(|_| at);
        let images = rows.iter().zip(&subgroups.of).filter(|(_, of)| **of == place).map(|(row, _)| row.len());
        let mut headline = headline(&predictions, group);
        // Resamples that all agree say nothing.
        for line in &mut headline {
            line.interval = line.interval.filter(|(low, high)| low < high);
        }
        Part { value: value.map(str::to_owned), predictions, images: images.sum(), headline }
    };
    let parts = subgroups.parts(predictions).map_err(|error| asked.mistake(error))?;
    let parts: Vec<Part> = parts.into_iter().enumerate().map(of).collect();
    let present = |predictions: &Predictions| {
        let has = |class: &usize| predictions.labels.iter().any(|&label| label as usize == *class);
        (0..predictions.classes.len()).filter(has).count()
    };
    let lacks_classes = parts.iter().any(|part| present(&part.predictions) < present(predictions));
    Ok(Divided { asked, parts, lacks_classes })
}

/// File, column and cuts; paths may have colons too.
fn parse(asked: &str) -> Result<(PathBuf, String, Option<Vec<f64>>), Error> {
    let mistake = |problem: String| Error::recipe(format!("--subgroups {asked}: {problem}"));
    let colons = || asked.match_indices(':').map(|(at, _)| (&asked[..at], &asked[at + 1..]));
    let is_file = |(file, _): &(&str, &str)| Path::new(file).is_file();
    // Of a file that is not there, the last colon is taken, and the reader complains.
    let Some((file, column)) = colons().find(is_file).or_else(|| colons().next_back()) else {
        return Err(mistake("expected FILE.csv:COLUMN, such as metadata.csv:sex".to_owned()));
    };
    let (column, cuts) = match column.rsplit_once('=') {
        Some((column, cuts)) => {
            let number = |text: &str| text.trim().parse::<f64>().map_err(|_| text.to_owned());
            let cuts = cuts.split(',').map(number).collect::<Result<Vec<f64>, String>>();
            let cuts = cuts.map_err(|text| {
                mistake(format!("expected numbers to cut at, such as age=0,40,60, got `{text}`"))
            })?;
            (column, Some(cuts))
        }
        None => (column, None),
    };
    Ok((file.into(), column.to_owned(), cuts))
}

impl Divided {
    /// At most 80 columns.
    pub fn text(&self) -> String {
        let Asked { column, found, file, .. } = &self.asked;
        let mut out = format!("\n{column}, by {} of {}\n", found.by, file.display());
        out += &format!("{:<16} {:>7}", "", self.counted());
        SHOWN.iter().for_each(|name| out += &format!(" {name:>17}"));
        for part in &self.parts {
            let value = part.value.as_deref().unwrap_or("not known");
            out += &format!("\n{:<16} {:>7}", ellipsis(value, 16), part.predictions.len());
            for name in SHOWN {
                let line = part.headline.iter().find(|line| line.name == name);
                out += &format!(" {:>17}", line.map_or(String::new(), cell));
            }
        }
        out.push('\n');
        if self.lacks_classes {
            out += "a class without an image in a subgroup counts 0 in its macro_f1\n";
        }
        out
    }

    /// The same for a page.
    pub fn division(&self) -> Division {
        let Asked { column, found, file, .. } = &self.asked;
        let part = |part: &Part| DivisionPart {
            value: part.value.clone().unwrap_or_else(|| "not known".to_owned()),
            count: part.predictions.len() as u64,
            headline: part.headline.iter().filter(|line| SHOWN.contains(&&*line.name)).cloned().collect(),
        };
        let strangers = self
            .asked
            .note()
            .map(|_| format!("{} of these are not in the file.", counted(found.strangers, "image")));
        let lacking = "A class without an image in a subgroup counts 0 in its macro F1.".to_owned();
        Division {
            column: column.clone(),
            origin: format!("By {} of {}", found.by, file.display()),
            counted: self.counted().to_owned(),
            parts: self.parts.iter().map(part).collect(),
            notes: self.lacks_classes.then_some(lacking).into_iter().chain(strangers).collect(),
        }
    }

    /// What the rows are.
    fn counted(&self) -> &'static str {
        let are_groups = self.parts.iter().any(|part| part.images > part.predictions.len());
        if are_groups { "groups" } else { "images" }
    }

    pub fn json(&self) -> Value {
        let part = |part: &Part| {
            let metrics: Map<String, Value> =
                part.headline.iter().map(|line| (line.name.clone(), json!(line.value))).collect();
            json!({
                "value": part.value,
                "images": part.images,
                "metrics": metrics,
                "intervals": intervals(&part.predictions, &part.headline),
            })
        };
        json!({
            "file": self.asked.file,
            "column": self.asked.column,
            "by": self.asked.found.by,
            "not_in_file": self.asked.found.strangers,
            "values": self.parts.iter().map(part).collect::<Vec<_>>(),
        })
    }
}

/// `0.530 0.438–0.630`.
fn cell(line: &Headline) -> String {
    if line.value.is_nan() {
        return "–".to_owned();
    }
    let ends = line.interval.map_or(" ".repeat(12), |(low, high)| format!(" {low:.3}–{high:.3}"));
    format!("{:.3}{ends}", line.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> Predictions {
        let mut p = Predictions::new(&["a", "b"].map(str::to_owned));
        for index in 0..40u32 {
            let of_b = f64::from((index * 7) % 20) / 20.0;
            let group = format!("g{}", index / 2);
            p.push(&format!("i{index}"), Some(&group), u32::from(index % 4 > 1), &[1.0 - of_b, of_b])
                .unwrap();
        }
        p
    }

    fn of(asked: &str, images: &Predictions, predictions: &Predictions, rows: &[Vec<usize>]) -> Divided {
        divided(look(asked, &images.ids, &images.groups).unwrap(), predictions, rows, None).unwrap()
    }

    fn alone(p: &Predictions) -> Vec<Vec<usize>> {
        (0..p.len()).map(|image| vec![image]).collect()
    }

    /// Images 0 to 19 are of women, but of 3, of whom nothing is known, and from 38 on there are none.
    fn table(folder: &tempfile::TempDir) -> PathBuf {
        let sex = |index: u32| {
            if index == 3 {
                ""
            } else if index < 20 {
                "female"
            } else {
                "male"
            }
        };
        let rows = (0..38).map(|index| format!("i{index},{},{}\n", sex(index), 20 + index));
        let path = folder.path().join("meta:data.csv");
        std::fs::write(&path, format!("image,sex,age\n{}", rows.collect::<String>())).unwrap();
        path
    }

    #[test]
    fn each_value_has_the_metrics_of_its_images() {
        let folder = tempfile::tempdir().unwrap();
        let p = images();
        let asked = format!("{}:sex", table(&folder).display());
        let found = of(&asked, &p, &p, &alone(&p));
        let json = found.json();
        let part = |at: usize| {
            (json["values"][at]["value"].as_str(), json["values"][at]["images"].as_u64().unwrap())
        };
        assert_eq!([0, 1, 2].map(part), [(Some("female"), 19), (Some("male"), 18), (None, 3)]);
        assert_eq!((json["not_in_file"].as_u64(), json["by"].as_str()), (Some(2), Some("image")));
        let women: Vec<usize> = (0..20).filter(|image| *image != 3).collect();
        for line in headline(&p.only(&women), None) {
            assert_eq!(json["values"][0]["metrics"][&line.name].as_f64(), Some(line.value), "{}", line.name);
            let ends = &json["values"][0]["intervals"]["metrics"][&line.name];
            assert_eq!(ends, &line.interval.map_or(Value::Null, |ends| json!(ends)), "{}", line.name);
        }
        let text = found.text();
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("\nfemale ") && text.contains("\nnot known              3"), "{text}");
        assert!(found.asked.note().unwrap().starts_with("note: 2 images not in "));
        // By age, at the numbers that are named.
        let found = of(&format!("{}:age=0,40", table(&folder).display()), &p, &p, &alone(&p));
        let values: Vec<_> =
            found.parts.iter().map(|part| (part.value.as_deref(), part.predictions.len())).collect();
        assert_eq!(values, [(Some("0 to < 40"), 20), (Some("≥ 40"), 18), (None, 2)]);
    }

    #[test]
    fn groups_have_the_value_of_their_images() {
        let folder = tempfile::tempdir().unwrap();
        let p = images();
        let (averaged, rows) = p.averaged_by_group().unwrap();
        let asked = format!("{}:sex", table(&folder).display());
        let found = of(&asked, &p, &averaged, &rows);
        let values: Vec<_> =
            found.parts.iter().map(|part| (part.value.as_deref(), part.predictions.len())).collect();
        // Of lesion 1 one image is of a woman, of the other nothing is known.
        assert_eq!(values, [(Some("female"), 9), (Some("male"), 9), (Some(SEVERAL), 1), (None, 1)]);
        let json = found.json();
        assert_eq!([0, 3].map(|at| json["values"][at]["images"].as_u64().unwrap()), [18, 2]);
        assert!(found.text().contains(" groups ") && !found.text().contains(" images "), "{}", found.text());
        // Ages of a lesion's two images differ: there is none.
        let found = of(&format!("{}:age", table(&folder).display()), &p, &averaged, &rows);
        assert_eq!(found.parts.iter().map(|part| part.value.as_deref()).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn a_missing_class_and_an_undefined_metric_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "image,kind\ni0,x\ni1,x\ni2,y\n").unwrap();
        let p = images();
        let text = of(&format!("{}:kind", path.display()), &p, &p, &alone(&p)).text();
        assert!(text.contains("counts 0 in its macro_f1"), "{text}");
        let x = text.lines().find(|line| line.starts_with("x ")).unwrap();
        assert!(x.ends_with(" –"), "one class has no AUROC: {text}");
        let rows = (0..40).map(|index| format!("i{index},{}\n", index % 2));
        std::fs::write(&path, format!("image,kind\n{}", rows.collect::<String>())).unwrap();
        let text = of(&format!("{}:kind", path.display()), &p, &p, &alone(&p)).text();
        assert!(!text.contains("counts 0"), "{text}");
    }

    #[test]
    fn what_cannot_be_asked_is_said() {
        let error = |asked: &str| {
            let p = images();
            look(asked, &p.ids, &p.groups).err().unwrap().to_string()
        };
        assert!(error("meta.csv").starts_with("--subgroups meta.csv: expected FILE.csv:COLUMN"));
        assert!(error("nowhere.csv:sex").starts_with("nowhere.csv: no such file;"));
        assert!(
            error("meta.csv:age=old").contains("expected numbers to cut at, such as age=0,40,60, got `old`")
        );
        let folder = tempfile::tempdir().unwrap();
        let path = table(&folder);
        assert!(
            error(&format!("{}:sex=1", path.display())).contains("expected numbers to cut, got `female`")
        );
    }
}
