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
