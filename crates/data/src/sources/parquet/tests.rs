use std::fs::File;

use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;
use crate::written::{jpeg, options, picture, refused};

/// A file as `datasets` writes it: `image: struct { bytes, path }`, an integer `label`, a `patient`.
fn write(path: &Path, labels: &[i64], metadata: Option<&str>) {
    let schema = "message schema {
        optional group image { optional binary bytes; optional binary path (utf8); }
        optional int64 label;
        optional binary patient (utf8);
    }";
    let pair = metadata.map(|text| vec![KeyValue::new("huggingface".to_string(), text.to_string())]);
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_key_value_metadata(pair)
        .build();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = File::create(path).unwrap();
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let images: Vec<ByteArray> =
        (0..labels.len()).map(|row| jpeg(&picture(20 + row as u32, 10), None).into()).collect();
    let names: Vec<ByteArray> = (0..labels.len()).map(|row| format!("{row}.jpg").as_str().into()).collect();
    let patients: Vec<ByteArray> = labels.iter().map(|_| "p1".into()).collect();
    let (two, one) = (vec![2i16; labels.len()], vec![1i16; labels.len()]);
    for (values, levels) in [(&images, &two), (&names, &two)] {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(values, Some(levels), None).unwrap();
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(labels, Some(&one), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&patients, Some(&one), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

const NAMES: &str = r#"{"info": {"features": {"image": {"_type": "Image"}, "label": {"names": ["ant", "bee"], "_type": "ClassLabel"}}}}"#;

fn read(folder: &tempfile::TempDir, more: &str) -> Result<Parts> {
    SPEC.read(&options(&format!("{{ root: {}{more} }}", folder.path().display())))
}

#[test]
fn reads_parts_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("data/train-00000-of-00002.parquet"), &[0, 1, 1], Some(NAMES));
    write(&folder.path().join("data/train-00001-of-00002.parquet"), &[1], Some(NAMES));
    write(&folder.path().join("data/test-00000-of-00001.parquet"), &[-1, -1], Some(NAMES));
    write(&folder.path().join("validation/0000.parquet"), &[0], Some(NAMES));
    let parts = read(&folder, ", group: patient").unwrap();
    let (train, validation) = (parts.train.unwrap(), parts.validation.unwrap());
    assert_eq!(train.classes(), ["ant", "bee"]);
    assert_eq!((0..4).map(|row| train.label(row)).collect::<Vec<_>>(), [0, 1, 1, 1]);
    assert_eq!((train.id(3), train.group(3), train.group_name()), ("train/3", Some("p1"), Some("patient")));
    assert_eq!(crate::size(&train.image(2).unwrap()).unwrap(), (22, 10));
    assert_eq!(crate::size(&train.image(3).unwrap()).unwrap(), (20, 10), "the second file's first image");
    assert_eq!(validation.len(), 1);
    assert!(parts.test.is_none());
    assert_eq!(parts.notes, ["test: its labels are hidden (-1); left out"]);
}

#[test]
fn reads_named_files_and_names_classes() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("a-1.parquet"), &[0, 2], None);
    write(&folder.path().join("a-2.parquet"), &[1], None);
    write(&folder.path().join("b.parquet"), &[0], None);
    let here = folder.path().display();
    let read = |more: &str| {
        SPEC.read(&options(&format!("{{ train: {here}/a-*.parquet, test: ['{here}/b.parquet']{more} }}")))
    };
    let train = read("").unwrap().train.unwrap();
    assert_eq!((train.len(), train.classes()), (3, &["0", "1", "2"].map(String::from)[..]));
    let parts = read(", classes: [x, y, z]").unwrap();
    assert_eq!(parts.test.unwrap().classes(), ["x", "y", "z"]);
    let error = read(", classes: [x, y]").err().unwrap().to_string();
    assert!(error.ends_with("a-1.parquet: row 1: expected a label from 0 to 1, got 2"), "{error}");
    // Any column can be the label.
    let named = read(", label: patient, classes: [p1]").unwrap().train.unwrap();
    assert_eq!(named.label(0), 0);
    let error = read(", label: patient, classes: [p0, p1]").err().unwrap().to_string();
    assert!(error.starts_with("data.classes: no image has the class p0"), "{error}");
}

#[test]
fn says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let message = |result: Result<Parts>| refused(&folder, result);
    assert!(
        message(read(&folder, ""))
            .starts_with("ROOT: no parquet files here named after a part; expected train-*")
    );
    assert_eq!(
        message(SPEC.read(&options("{}"))),
        "data.root: expected one of `root`, `train` and `hub`, got none"
    );
    assert!(
        message(SPEC.read(&options("train: x-*.parquet")))
            .starts_with("x-*.parquet: no such file; name the files")
    );
    write(&folder.path().join("train-0.parquet"), &[0, 1], None);
    assert_eq!(
        message(read(&folder, ", image: imaeg")),
        "ROOT/train-0.parquet: expected a column `imaeg`; did you mean `image`? known: image, label, patient – name \
         another with data.image=…"
    );
    assert_eq!(
        message(read(&folder, ", image: patient")),
        "ROOT/train-0.parquet: row 0: expected the bytes of an image in `patient`, got none"
    );
    std::fs::write(folder.path().join("train-0.parquet"), "no parquet").unwrap();
    assert!(message(read(&folder, "")).starts_with("ROOT/train-0.parquet: "));
}

#[cfg(not(feature = "hub"))]
#[test]
fn says_that_this_build_has_no_hub() {
    let error = SPEC.read(&options("hub: a/b")).err().unwrap().to_string();
    assert!(error.starts_with("hub dataset a/b: this build has no access to the hub; build with"), "{error}");
}

/// Rows of one image of so many zeros, by a dictionary or plain.
fn zeros(path: &Path, rows: usize, bytes: usize, by_dictionary: bool) {
    let schema = "message schema { required binary image; required int64 label; }";
    let zstd = parquet::basic::Compression::ZSTD(Default::default());
    let properties = WriterProperties::builder()
        .set_compression(zstd)
        .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None)
        .set_dictionary_enabled(by_dictionary);
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let image = ByteArray::from(vec![0; bytes]);
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&vec![image; rows], None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&vec![0; rows], None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

#[test]
fn values_that_are_far_more_than_their_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-0.parquet");
    for by_dictionary in [true, false] {
        zeros(&path, 700, 400_000, by_dictionary);
        assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20, "280 MB in less than one");
        let said = refused(&folder, read(&folder, ""));
        let expected =
            "ROOT/train-0.parquet: unpacks to more than 100 times its own size, and more than 256 MiB";
        assert!(said.starts_with(expected) && said.ends_with("data.max_expansion=…"), "{said}");
    }
    // Rows of nothing take memory too.
    zeros(&path, 3_000_000, 0, true);
    assert!(refused(&folder, read(&folder, "")).contains("unpacks to more than 100 times"));
    zeros(&path, 700, 4_000, true);
    assert_eq!(read(&folder, "").unwrap().train.unwrap().len(), 700);
    zeros(&path, 700, 400_000, true);
    assert_eq!(read(&folder, ", max_expansion: 1000000").unwrap().train.unwrap().len(), 700);
}

#[test]
fn no_changed_byte_brings_the_reader_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train-0.parquet");
    write(&path, &[0, 1, 1], Some(NAMES));
    let whole = std::fs::read(&path).unwrap();
    let mut failed = 0;
    for at in (0..whole.len()).filter(|at| at % 3 == 0 || at + 1000 > whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x7f;
        std::fs::write(&path, bytes).unwrap();
        failed += usize::from(read(&folder, "").is_err());
    }
    assert!(failed > 100, "{failed}");
}

#[cfg(unix)]
#[test]
fn links_go_by_the_rule_of_all_sources() {
    use crate::written::link;

    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("train-0.parquet"), &[0, 1, 1], Some(NAMES));
    link("train-0.parquet", folder.path().join("train-1.parquet"));
    assert_eq!(read(&folder, "").unwrap().train.unwrap().len(), 3, "it counts once");
    let named = format!(", train: '{}/train-*.parquet'", folder.path().display());
    assert_eq!(read(&folder, &named).unwrap().train.unwrap().len(), 3, "named, it does too");
    write(&folder.path().join("elsewhere/0.parquet"), &[0, 1], Some(NAMES));
    link("elsewhere", folder.path().join("test"));
    let said = refused(&folder, read(&folder, ""));
    assert!(said.starts_with("ROOT/test: a link to a folder – expected"), "{said}");
    assert_eq!(read(&folder, ", follow_links: true").unwrap().test.unwrap().len(), 2);
}

/// Of a list a few bytes may say billions of elements.
/// All of them below what a class has, and so no classes.
#[test]
fn negative_labels_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("train.parquet"), &[-2, -1], None);
    assert_eq!(
        refused(&folder, read(&folder, "")),
        "ROOT/train.parquet: row 0: expected labels from 0 on, got -2"
    );
}

#[test]
fn columns_of_lists_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = "required binary image;";
    let list = "optional group image (LIST) { repeated group list { optional binary element; } }";
    let map = "optional group label (MAP) { repeated group key_value { required binary key; optional int64 value; } }";
    for (label, image) in [
        ("repeated int64 label;", bytes),
        ("required int64 label;", "repeated binary image;"),
        ("required int64 label;", list),
        (map, bytes),
    ] {
        let schema = parse_message_type(&format!("message schema {{ {image} {label} }}")).unwrap();
        let file = File::create(folder.path().join("train.parquet")).unwrap();
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
        writer.close().unwrap();
        let said = refused(&folder, read(&folder, ""));
        let name = if image == bytes { "label" } else { "image" };
        let words = format!(
            "ROOT/train.parquet: `{name}` – expected single values, or a struct of bytes and path, got a list"
        );
        assert!(said.starts_with(&words) && said.ends_with(&format!("with data.{name}=…")), "{said}");
    }
}
