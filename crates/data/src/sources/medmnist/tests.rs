use std::fs::File;
use std::io::Write;

use super::*;
use crate::written::{options, real};
use crate::{Encoded, Image};

/// An npy array, version 1.
fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), data].concat()
}

fn npz(name: &str, arrays: &[(&str, Vec<u8>)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
    for (name, bytes) in arrays {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap();
    (folder, path)
}

fn read(path: &std::path::Path) -> Result<Parts> {
    SPEC.read(&options(&format!("path: {}", path.display())))
}

#[test]
fn reads_grey_and_colour() {
    let colours: Vec<u8> = (0..24).collect();
    let (_folder, path) = npz(
        "breastmnist_64.npz",
        &[
            ("train_images", npy("|u1", "(2, 2, 3)", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])),
            ("train_labels", npy("|u1", "(2, 1)", &[1, 0])),
            ("val_images", npy("|u1", "(2, 2, 2, 3)", &colours)),
            ("val_labels", npy("<i8", "(2,)", &[&0i64.to_le_bytes()[..], &1i64.to_le_bytes()].concat())),
        ],
    );
    let parts = read(&path).unwrap();
    let (train, validation) = (parts.train.unwrap(), parts.validation.unwrap());
    assert!(parts.test.is_none());
    assert_eq!(train.classes(), ["malignant", "normal, benign"]);
    assert_eq!((train.label(0), train.label(1), validation.label(1)), (1, 0, 1));
    let Encoded::Pixels(Image { width, height, pixels }) = train.image(1).unwrap() else { panic!("pixels") };
    assert_eq!((width, height), (3, 2));
    assert_eq!(pixels[..6], [6, 6, 6, 7, 7, 7]);
    let Encoded::Pixels(image) = validation.image(1).unwrap() else { panic!("pixels") };
    assert_eq!(image.pixels, (12..24).collect::<Vec<u8>>());
    assert_eq!(validation.id(1), "validation/1");
}

#[test]
fn unknown_sets_have_numbers_for_names() {
    let (_folder, path) = npz(
        "own.npz",
        &[("test_images", npy("|u1", "(1, 1, 1)", &[7])), ("test_labels", npy("|u1", "(1, 1)", &[2]))],
    );
    assert_eq!(read(&path).unwrap().test.unwrap().classes(), ["0", "1", "2"]);
}

#[test]
fn refuses_what_it_cannot_be() {
    let message = |arrays: &[(&str, Vec<u8>)]| {
        let (_folder, path) = npz("own.npz", arrays);
        let error = read(&path).err().expect("refused").to_string();
        error.replace(&path.display().to_string(), "NPZ")
    };
    let image = || ("train_images", npy("|u1", "(1, 1, 1)", &[7]));
    let label = || ("train_labels", npy("|u1", "(1, 1)", &[2]));
    assert_eq!(
        message(&[image(), ("train_labels", npy("|u1", "(1, 14)", &[0; 14]))]),
        "NPZ: train: expected one label for each image, got 14: the set is multi-label"
    );
    assert_eq!(
        message(&[("train_images", npy("|u1", "(1, 2, 2, 2)", &[7; 8])), label()]),
        "NPZ: train: expected 2-D images, got volumes [1, 2, 2, 2] – use a 2-D set"
    );
    assert_eq!(message(&[image()]), "NPZ: train: expected images and labels, got one without the other");
    assert_eq!(
        message(&[("train_images", npy("<f4", "(1, 1, 1)", &[0; 4])), label()]),
        "NPZ: train_images: expected whole numbers, little-endian, got `<f4`"
    );
    assert_eq!(
        message(&[("train_images", npy("|u1", "(2, 1, 1)", &[0; 1])), label()]),
        "NPZ: train_images: expected 2 bytes for the shape (2, 1, 1), got 1"
    );
    assert_eq!(
        message(&[image(), ("train_labels", npy("|i1", "(1, 1)", &[0xff]))]),
        "NPZ: train: expected labels from 0, got -1"
    );
    assert_eq!(
        message(&[("x", npy("|u1", "(1,)", &[0]))]),
        "NPZ: expected arrays train_images, train_labels, val_… and test_…; got x"
    );
    let missing = SPEC.read(&options("{ flag: pathmnist, size: 64 }")).err().unwrap().to_string();
    assert_eq!(
        missing,
        "data/medmnist/pathmnist_64.npz: no such file; download \
         https://zenodo.org/records/10519652/files/pathmnist_64.npz?download=1 to it, or say where it is with data.path=…"
    );
    let error = SPEC.read(&options("{ flag: pathmnist, size: 32 }")).err().unwrap().to_string();
    assert_eq!(error, "data.size: expected 28, 64, 128 or 224, got 32");
}

#[test]
fn the_real_file() {
    let Some(path) = real("pneumoniamnist.npz") else { return };
    let parts = read(&path).unwrap();
    let sizes = [parts.train, parts.validation, parts.test].map(|part| part.unwrap().len());
    println!("{sizes:?}");
    assert_eq!(sizes, [4708, 524, 624]);
}

/// One grey picture of zeros, `rows` by a thousand pixels, and its label.
fn zeros(rows: usize) -> (tempfile::TempDir, PathBuf) {
    let shape = format!("(1, {rows}, 1000)");
    let arrays = [
        ("train_images", npy("|u1", &shape, &vec![0; rows * 1000])),
        ("train_labels", npy("|u1", "(1, 1)", &[0])),
    ];
    npz("x.npz", &arrays)
}

#[test]
fn an_archive_that_unpacks_to_far_more_than_its_size_is_refused() {
    let (folder, path) = zeros(270_000);
    assert!(std::fs::metadata(&path).unwrap().len() < 1 << 20, "270 MB in less than one");
    let said = crate::written::refused(&folder, read(&path));
    assert_eq!(
        said,
        "ROOT/x.npz: unpacks to more than 100 times its own size, and more than 256 MiB – expected less, so that no file can fill the \
         memory – if it is what it should be, raise the limit with data.max_expansion=…"
    );
    let more =
        |times: u64| SPEC.read(&options(&format!("{{ path: {}, max_expansion: {times} }}", path.display())));
    assert_eq!(more(5000).unwrap().train.unwrap().len(), 1);
    let zero = more(0).err().unwrap().to_string();
    assert_eq!(zero, "data.max_expansion: expected a whole number, 1 or more, got 0");
    // As much of its size, but little.
    let (_folder, path) = zeros(10_000);
    assert!(read(&path).is_ok());
}

#[test]
fn sizes_that_a_file_only_claims_take_no_memory() {
    let claims = |shape: &str| {
        let arrays =
            [("train_images", npy("|u1", shape, &[0; 4])), ("train_labels", npy("<i8", "(0,)", &[]))];
        let (folder, path) = npz("x.npz", &arrays);
        crate::written::refused(&folder, read(&path))
    };
    for shape in
        ["(18446744073709551615, 2, 2)", "(4294967296, 4294967296, 1)", "(9223372036854775807, 4, 1)"]
    {
        let expected = format!("expected more bytes for the shape {shape}, got 4");
        assert!(claims(shape).ends_with(&expected), "{}", claims(shape));
    }
    assert!(claims("(4, 1, 1)").contains("expected labels (4, 1), got [0]"), "{}", claims("(4, 1, 1)"));
    // A size of 2⁶⁰ bytes, in the field of an archive's directory that holds large ones.
    let (_folder, path) = zeros(10);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let name = usize::from(bytes[at + 28]);
    bytes[at + 24..at + 28].fill(0xff);
    bytes[at + 30] += 12;
    let field = [&[1, 0, 8, 0][..], &(1u64 << 60).to_le_bytes()].concat();
    bytes.splice(at + 46 + name..at + 46 + name, field);
    let end = bytes.windows(4).position(|four| four == b"PK\x05\x06").unwrap();
    bytes[end + 12] += 12;
    std::fs::write(&path, bytes).unwrap();
    let mut archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(archive.by_index(0).unwrap().size(), 1 << 60);
    let said = read(&path).map(|parts| parts.train.unwrap().len()).map_err(|error| error.to_string());
    assert_eq!(said, Ok(1));
}

#[test]
fn no_changed_byte_brings_the_reader_down() {
    let arrays =
        [("train_images", npy("|u1", "(2, 2, 2)", &[7; 8])), ("train_labels", npy("|u1", "(2,)", &[0, 1]))];
    let (_folder, path) = npz("x.npz", &arrays);
    let whole = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        for change in [0xff, 0x7f] {
            let mut bytes = whole.clone();
            bytes[at] ^= change;
            std::fs::write(&path, bytes).unwrap();
            refused += usize::from(read(&path).is_err());
        }
    }
    assert!(refused > 100, "{refused}");
}
