//! Groups (patient, lesion) that a recipe says how to find: from the images' names, or from another CSV.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use regex::Regex;
use serde_yaml::{Mapping, Value};
use tallow_seed::Seed;

use crate::error::{Mistakes, first_few};
use crate::options::shown;
use crate::readers::csv::CsvFile;
use crate::readers::files::stem;
use crate::subset::Groups;
use crate::{Dataset, Error, Options, Result, Subset, counted, suggestion};

/// Where the groups come from that `split.group` asks for.
#[derive(Clone, Debug)]
pub enum Grouping {
    /// Those of the dataset, which has them under this name.
    Own(String),
    /// The first bracket of the pattern, or all that it matches, in an image's id; its id has the path where images are files.
    Path(Regex),
    /// A CSV with a row for each image: columns of ids (or file names, with or without extension) and of groups.
    File { path: PathBuf, image: String, group: String },
}

impl PartialEq for Grouping {
    fn eq(&self, other: &Grouping) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

const EXAMPLES: &str = "the name of the dataset's groups, { path: \"person(\\\\d+)_\" } or { file: groups.csv, image: image, group: patient_id }";

impl Grouping {
    /// From a recipe's `data.split.group`.
    ///
    /// # Errors
    /// [`Error::Option`] for anything else than the three forms, and for a pattern that is none.
    pub fn parse(value: &Value) -> Result<Grouping> {
        let Value::Mapping(map) = value else {
            let named =
                Options::new(Mapping::from_iter([("split.group".into(), value.clone())]), Seed::new(0));
            let expected =
                || Error::option("split.group", format!("expected {EXAMPLES}, got {}", shown(value)));
            return named.text("split.group").ok().flatten().map(Grouping::Own).ok_or_else(expected);
        };
        const KEYS: [&str; 4] = ["path", "file", "image", "group"];
        for key in map.keys() {
            let name = key.as_str().unwrap_or_default();
            if !KEYS.contains(&name) {
                let problem = format!("no such key{}", suggestion(name, KEYS));
                return Err(Error::option(format!("split.group.{name}"), problem));
            }
        }
        let prefixed = map.iter().map(|(key, value)| {
            (format!("split.group.{}", key.as_str().unwrap_or_default()).into(), value.clone())
        });
        let options = Options::new(prefixed.collect(), Seed::new(0));
        match (options.text("split.group.path")?, options.path("split.group.file")?) {
            (Some(pattern), None) => Regex::new(&pattern).map(Grouping::Path).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                Error::option(
                    "split.group.path",
                    format!(
                        "expected a regular expression such as \"person(\\\\d+)_\", got `{pattern}`: {reason}"
                    ),
                )
            }),
            (None, Some(path)) => {
                let column = |key: &str, default: &str| {
                    Ok(options.text(&format!("split.group.{key}"))?.unwrap_or_else(|| default.to_owned()))
                };
                Ok(Grouping::File {
                    path,
                    image: column("image", "image")?,
                    group: column("group", "group")?,
                })
            }
            _ => Err(Error::option("split.group", format!("expected {EXAMPLES}, got {}", shown(value)))),
        }
    }

    /// The dataset with these groups.
    ///
    /// # Errors
    /// [`Error::Option`] for groups that the dataset does not have, and for a pattern that matches no image; a CSV without the
    /// columns, with two groups for one image, or that names none of the images.
    pub fn apply(&self, dataset: Arc<dyn Dataset>) -> Result<Arc<dyn Dataset>> {
        let ids = || (0..dataset.len()).map(|index| dataset.id(index));
        let groups = match self {
            Grouping::Own(name) => {
                check_own(&*dataset, name)?;
                return Ok(dataset);
            }
            Grouping::Path(pattern) => {
                let of = |id: &str| {
                    let found = pattern.captures(id)?;
                    Some(found.get(1).or(found.get(0))?.as_str().to_owned())
                };
                Groups {
                    name: "group".to_owned(),
                    place: format!("the pattern {pattern}"),
                    of: ids().map(of).collect(),
                }
            }
            Grouping::File { path, image, group } => {
                let known = read(path, image, group)?;
                let of = |id: &str| known.get(id).or_else(|| known.get(stem(id))).cloned();
                Groups { name: group.clone(), place: path.display().to_string(), of: ids().map(of).collect() }
            }
        };
        if groups.of.iter().all(Option::is_none) && !dataset.is_empty() {
            let example = dataset.id(0);
            return Err(Error::option(
                "split.group",
                format!(
                    "expected groups from {}, but it fits none of {}, such as `{example}`",
                    groups.place,
                    counted(dataset.len(), "image")
                ),
            ));
        }
        Ok(Arc::new(Subset::grouped(dataset, groups)))
    }
}

fn check_own(dataset: &dyn Dataset, asked: &str) -> Result<()> {
    let grouped = (0..dataset.len()).any(|index| dataset.group(index).is_some());
    match dataset.group_name() {
        _ if !grouped => {
            let problem = format!(
                "expected groups `{asked}`, but this dataset has none – leave the key out, or say where they are: {EXAMPLES}"
            );
            Err(Error::option("split.group", problem))
        }
        Some(name) if name != asked => {
            let problem = format!("expected `{name}`, as this dataset has, got `{asked}`");
            Err(Error::option("split.group", problem))
        }
        _ => Ok(()),
    }
}

/// Image to group, by id and, where that is not ambiguous, by file name without extension.
fn read(path: &std::path::Path, image: &str, group: &str) -> Result<HashMap<String, String>> {
    if !path.is_file() {
        let remedy = "name the CSV with data.split.group.file=…";
        return Err(Error::missing(path.display(), "no such file of groups", remedy));
    }
    let csv = CsvFile::read(path)?;
    let mut mistakes = Mistakes::default();
    let mut column = |key: &str, name: &str| {
        mistakes.take(csv.column(name, &format!("name another with data.split.group.{key}=…")))
    };
    let (Some(image), Some(group)) = (column("image", image), column("group", group)) else {
        return Err(mistakes.end().expect_err("a column is missing"));
    };
    let mut known: HashMap<String, String> = HashMap::new();
    let mut twice = Vec::new();
    for (line, fields) in csv.rows().filter(|(_, fields)| !fields.get(group).is_empty()) {
        for name in [fields.get(image), stem(fields.get(image))] {
            let earlier = known.insert(name.to_owned(), fields.get(group).to_owned());
            if earlier.is_some_and(|earlier| earlier != fields.get(group)) {
                twice.push(format!("{name} (line {line})"));
            }
        }
    }
    if twice.is_empty() {
        return Ok(known);
    }
    let problem =
        format!("expected one group for an image, got two: {} – keep one row of each", first_few(&twice));
    Err(Error::invalid(path.display(), problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{file, table};

    fn parsed(yaml: &str) -> Result<Grouping> {
        Grouping::parse(&serde_yaml::from_str(yaml).unwrap())
    }

    fn groups(yaml: &str) -> Vec<Option<String>> {
        let dataset =
            parsed(yaml).unwrap().apply(Arc::new(table(&[(0, ""), (1, ""), (1, ""), (0, "")]))).unwrap();
        (0..dataset.len()).map(|index| dataset.group(index).map(str::to_owned)).collect()
    }

    fn some(groups: &[&str]) -> Vec<Option<String>> {
        groups.iter().map(|group| (!group.is_empty()).then(|| (*group).to_owned())).collect()
    }

    #[test]
    fn names_give_groups() {
        // ids: image 0 … image 3
        assert_eq!(groups(r#"{ path: "image ([01])" }"#), some(&["0", "1", "", ""]));
        assert_eq!(groups(r#"{ path: "age" }"#), some(&["age"; 4]));
        let error =
            parsed(r#"{ path: "x(\\d)" }"#).unwrap().apply(Arc::new(table(&[(0, "")]))).err().unwrap();
        assert_eq!(
            error.to_string(),
            "data.split.group: expected groups from the pattern x(\\d), but it fits none of 1 image, such as `image 0`"
        );
    }

    #[test]
    fn another_file_gives_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groups.csv");
        file(&path, "id,patient\nimage 0.jpg,p1\nimage 1,p1\nimage 2,\n");
        let yaml = format!("{{ file: {}, image: id, group: patient }}", path.display());
        assert_eq!(groups(&yaml), some(&["p1", "p1", "", ""]));
        file(&path, "id,patient\nimage 0,p1\nimage 0,p2\n");
        let error = parsed(&yaml).unwrap().apply(Arc::new(table(&[(0, "")]))).err().unwrap().to_string();
        assert!(
            error.ends_with(
                "expected one group for an image, got two: image 0 (line 3) – keep one row of each"
            ),
            "{error}"
        );
    }

    #[test]
    fn wrong_forms_are_told() {
        for (yaml, said) in [
            ("[1]", "data.split.group: expected the name of"),
            ("{ pth: a }", "data.split.group.pth: no such key; did you mean `path`?"),
            ("{ path: \"(\" }", "data.split.group.path: expected a regular expression such as"),
            ("{ path: a, file: b }", "data.split.group: expected the name of"),
        ] {
            let error = parsed(yaml).err().unwrap().to_string();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
