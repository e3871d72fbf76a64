//! Images, labels and groups out of Hugging Face image parquet: an image is `struct { bytes, path }`, or bytes alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Repetition;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::expansion::Expansion;
use crate::{Error, Result, Storing, file, suggestion};
use pages::unpacked;

mod pages;

/// Which columns to read, and which key of the recipe names each.
pub struct Columns {
    pub image: String,
    pub label: String,
    pub group: Option<String>,
}

/// What one file holds.
pub struct Contents {
    pub labels: Vec<Label>,
    pub groups: Vec<Option<String>>,
    /// Names of the label column's classes, where the file has Hugging Face's metadata.
    pub names: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    Number(i64),
    Name(String),
}

/// Bytes that a row takes beside its image and texts.
const OF_A_ROW: u64 = 96;

/// Reads a whole file; the images stay encoded, and are added to `images`. One that holds more than so many times its own size is refused:
/// values that a dictionary repeats count each time.
pub fn read(path: &Path, columns: &Columns, max_expansion: u64, images: &mut Storing) -> Result<Contents> {
    caught(path, || read_within(path, columns, Expansion::of(path, max_expansion)?, images))
}

fn read_within(
    path: &Path,
    columns: &Columns,
    mut expansion: Expansion,
    images: &mut Storing,
) -> Result<Contents> {
    let invalid = |error: parquet::errors::ParquetError| Error::invalid(path.display(), error.to_string());
    let reader = SerializedFileReader::new(file::open(path)?).map_err(invalid)?;
    let metadata = reader.metadata().file_metadata();
    let schema = metadata.schema();
    let wanted =
        [("image", Some(&columns.image)), ("label", Some(&columns.label)), ("group", columns.group.as_ref())];
    let mut fields = Vec::new();
    for (key, name) in wanted {
        if let Some(name) = name {
            fields.push(column(path, schema, key, name)?);
        }
    }
    let wanted = fields.iter().map(|field| field.name().to_owned()).collect::<Vec<_>>();
    let projection = Type::group_type_builder(schema.name()).with_fields(fields).build().map_err(invalid)?;
    let (mut sum, pages) = (0u64, file::open(path)?);
    for column in reader.metadata().row_groups().iter().flat_map(|group| group.columns()) {
        if column.column_path().parts().first().is_some_and(|name| wanted.contains(name)) {
            let unpacked = unpacked(&pages, column.byte_range(), column.compression(), expansion.left());
            sum = sum.saturating_add(unpacked.map_err(|error| {
                Error::invalid(
                    path.display(),
                    format!("expected the pages of `{}`, got: {error}", column.column_path()),
                )
            })?);
            expansion.check(sum)?;
        }
    }
    let mut contents = Contents {
        labels: Vec::new(),
        groups: Vec::new(),
        names: metadata
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == "huggingface"))
            .and_then(|pair| names(pair.value.as_deref()?, &columns.label)),
    };
    // One by one: a value may be as long as all of a page, and repeat what is before it.
    let rows = reader.get_row_iter(Some(projection)).map_err(invalid)?.with_batch_size(1);
    for (number, row) in rows.enumerate() {
        let place = || format!("{}: row {number}", path.display());
        images.push(&contents.add(row.map_err(invalid)?, columns, &mut expansion, place)?)?;
    }
    Ok(contents)
}

/// Names of a file's columns.
pub fn columns(path: &Path) -> Result<Vec<String>> {
    caught(path, || names_of_columns(path))
}

/// What the library says of a file, a panic among it.
fn caught<T>(path: &Path, read: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        Err(Error::invalid(
            path.display(),
            "not a whole parquet file (its reader gave up) – fetch or write it again",
        ))
    })
}

fn names_of_columns(path: &Path) -> Result<Vec<String>> {
    let reader = SerializedFileReader::new(file::open(path)?)
        .map_err(|error| Error::invalid(path.display(), error.to_string()))?;
    Ok(reader
        .metadata()
        .file_metadata()
        .schema()
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .collect())
}

impl Contents {
    /// What a row has beside its image, which is given back.
    fn add(
        &mut self,
        row: Row,
        columns: &Columns,
        expansion: &mut Expansion,
        place: impl Fn() -> String,
    ) -> Result<Vec<u8>> {
        let (mut image, mut label, mut group) = (None, None, None);
        let mut taken = OF_A_ROW;
        for (name, field) in row.into_columns() {
            taken += length(&field);
            if name == columns.image {
                image = bytes(field);
            } else if name == columns.label {
                label = Some(self::label(&field, &columns.label, &place)?);
            } else {
                group = Some(match field {
                    Field::Null => None,
                    Field::Str(text) => Some(text),
                    other => Some(other.to_string()),
                });
            }
        }
        expansion.take(taken)?;
        let expected = |what: &str| Error::invalid(place(), format!("expected {what}"));
        let Some(image) = image else {
            return Err(expected(&format!("the bytes of an image in `{}`, got none", columns.image)));
        };
        self.labels.push(label.ok_or_else(|| expected("a label"))?);
        self.groups.push(group.flatten().filter(|group| !group.is_empty()));
        Ok(image)
    }
}

fn column(path: &Path, schema: &Type, key: &str, name: &str) -> Result<Arc<Type>> {
    let found = schema.get_fields().iter().find(|field| field.name() == name);
    if let Some(field) = found.filter(|field| repeats(field)) {
        let problem = format!(
            "`{}` – expected single values, or a struct of bytes and path, got a list or a map",
            field.name()
        );
        return Err(Error::invalid(
            path.display(),
            format!("{problem} – name another column with data.{key}=…"),
        ));
    }
    found.cloned().ok_or_else(|| {
        let near = suggestion(name, schema.get_fields().iter().map(|field| field.name()));
        let problem = format!("expected a column `{name}`{near} – name another with data.{key}=…");
        Error::invalid(path.display(), problem)
    })
}

/// Whether one row may hold any number of values.
fn repeats(field: &Type) -> bool {
    let info = field.get_basic_info();
    let is_repeated = info.has_repetition() && info.repetition() == Repetition::REPEATED;
    is_repeated || (field.is_group() && field.get_fields().iter().any(|inner| repeats(inner)))
}

/// Bytes of a text, or of an image.
fn length(field: &Field) -> u64 {
    match field {
        Field::Bytes(bytes) => bytes.len() as u64,
        Field::Str(text) => text.len() as u64,
        Field::Group(row) => row.get_column_iter().map(|(_, field)| length(field)).sum(),
        _ => 0,
    }
}

fn bytes(field: Field) -> Option<Vec<u8>> {
    match field {
        Field::Bytes(bytes) => Some(bytes.data().to_vec()),
        Field::Group(row) => row
            .into_columns()
            .into_iter()
            .find(|(name, _)| name == "bytes")
            .and_then(|(_, field)| bytes(field)),
        _ => None,
    }
}

fn label(field: &Field, column: &str, place: impl Fn() -> String) -> Result<Label> {
    Ok(match field {
        Field::Byte(number) => Label::Number((*number).into()),
        Field::Short(number) => Label::Number((*number).into()),
        Field::Int(number) => Label::Number((*number).into()),
        Field::Long(number) => Label::Number(*number),
        Field::UByte(number) => Label::Number((*number).into()),
        Field::UShort(number) => Label::Number((*number).into()),
        Field::UInt(number) => Label::Number((*number).into()),
        Field::Bool(flag) => Label::Number((*flag).into()),
        Field::Str(name) => Label::Name(name.clone()),
        other => {
            let problem = format!("expected a whole number or a name in `{column}`, got {other}");
            return Err(Error::invalid(place(), problem));
        }
    })
}

/// `info.features.<column>.names` of Hugging Face's metadata.
fn names(metadata: &str, column: &str) -> Option<Vec<String>> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let names = metadata.get("info")?.get("features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_string)).collect()
}
