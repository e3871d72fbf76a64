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

#[cfg(feature = "hub")]
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
    assert_eq!(image.pixels, expected, "all 256 values survive the way through floats");
    assert_eq!(test.id(0), "test/0");
}

#[cfg(not(feature = "hub"))]
#[test]
fn says_that_this_build_cannot() {
    let error = read(&written(), &MNIST).err().unwrap().to_string();
    assert!(
        error.ends_with(
            "this build cannot read these files; build with `--features hub` (it is on by default), or use \
         parquet files"
        ),
        "{error}"
    );
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
