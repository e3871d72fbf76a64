use super::*;
use crate::written::{file, options};

fn idx(folder: &tempfile::TempDir, name: &str, magic: u32, sizes: &[u32], data: Vec<u8>) {
    let header: Vec<u8> = [&[magic], sizes].concat().iter().flat_map(|number| number.to_be_bytes()).collect();
    file(folder.path().join(name), [header, data].concat());
}

/// Two training images and one test image; pixel p of training image i is p + i (mod 256).
fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let pixels = |image: u32| (0..784).map(move |pixel: u32| (pixel + image) as u8);
    idx(&folder, "train-images-idx3-ubyte", 2051, &[2, 28, 28], pixels(0).chain(pixels(1)).collect());
    idx(&folder, "train-labels-idx1-ubyte", 2049, &[2], vec![3, 9]);
    idx(&folder, "t10k-images-idx3-ubyte", 2051, &[1, 28, 28], vec![200; 784]);
    idx(&folder, "t10k-labels-idx1-ubyte", 2049, &[1], vec![0]);
    folder
}

fn read(folder: &tempfile::TempDir, spec: &SourceSpec) -> Result<Parts> {
    spec.read(&options(&format!("root: {}", folder.path().display())))
}

#[test]
fn reads_idx_files_byte_for_byte() {
    let folder = written();
    let parts = read(&folder, &FASHION).unwrap();
    let (train, test) = (parts.train.unwrap(), parts.test.unwrap());
    assert_eq!((train.len(), test.len(), train.label(1)), (2, 1, 9));
    assert_eq!(train.classes()[9], "ankle boot");
    let image = crate::decode(&train.image(1).unwrap()).unwrap();
    assert_eq!((image.width, image.height), (28, 28));
    let expected: Vec<u8> = (0..784u32).flat_map(|pixel| [(pixel + 1) as u8; 3]).collect();
    assert_eq!(image.pixels, expected);
    assert_eq!(test.id(0), "test/0");
}

#[test]
fn damaged_files_are_named() {
    let folder = written();
    let refused = |name: &str, magic: u32, sizes: &[u32], data: Vec<u8>| {
        idx(&folder, name, magic, sizes, data);
        let error = read(&folder, &MNIST).err().unwrap().to_string();
        let (_, problem) = error.split_once(&format!("{name}: ")).expect("the file's name");
        problem.to_owned()
    };
    let labels = "t10k-labels-idx1-ubyte";
    assert_eq!(refused(labels, 2049, &[2], vec![0, 1]), "expected a size of 1, got 2");
    assert_eq!(refused(labels, 2049, &[1], vec![]), "expected 1 bytes behind the header, got 0");
    let zipped = "expected an IDX file that begins with 2049, got 529205248; is it unpacked?";
    assert_eq!(refused(labels, 0x1f8b_0800, &[1], vec![0]), zipped);
    assert_eq!(refused(labels, 2049, &[], vec![]), "expected the header of an IDX file, got 4 bytes");
    idx(&folder, labels, 2049, &[1], vec![0]);
    let images = "train-images-idx3-ubyte";
    assert_eq!(refused(images, 2051, &[2, 28, 29], vec![0; 2 * 28 * 29]), "expected a size of 28, got 29");
}

#[test]
fn says_what_to_download() {
    let folder = tempfile::tempdir().unwrap();
    let message = read(&folder, &MNIST).err().unwrap().to_string();
    assert!(message.contains(": train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images"), "{message}");
    assert!(
        message.contains("train-images-idx3-ubyte.gz, ") && message.contains("data.hub=true"),
        "{message}"
    );
}
