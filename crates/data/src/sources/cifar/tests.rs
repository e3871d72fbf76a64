use super::*;
use crate::Encoded;
use crate::readers::binary::PLANE;
use crate::written::{file, options, real};

fn read(folder: &Path, spec: &SourceSpec) -> Result<Parts> {
    spec.read(&options(&format!("root: {}", folder.display())))
}

/// The planes of an image whose red counts columns, green rows, and blue is `blue`.
fn planes(blue: u8) -> Vec<u8> {
    let red = (0..PLANE).map(|at| (at % 32) as u8);
    let green = (0..PLANE).map(|at| (at / 32) as u8);
    red.chain(green).chain(std::iter::repeat_n(blue, PLANE)).collect()
}

fn check(image: Encoded, blue: u8) {
    let image = crate::decode(&image).unwrap();
    assert_eq!((image.width, image.height), (32, 32));
    for (at, pixel) in image.pixels.chunks(3).enumerate() {
        assert_eq!(pixel, [(at % 32) as u8, (at / 32) as u8, blue], "rows from the top, not transposed");
    }
}

#[test]
fn reads_cifar100() {
    let folder = tempfile::tempdir().unwrap();
    let record = |fine: u8, blue| [vec![7, fine], planes(blue)].concat();
    file(folder.path().join("cifar-100-binary/train.bin"), [record(99, 5), record(0, 255)].concat());
    file(folder.path().join("cifar-100-binary/test.bin"), record(1, 9));
    let parts = read(folder.path(), &CIFAR100).unwrap();
    let (train, test) = (parts.train.unwrap(), parts.test.unwrap());
    assert_eq!((train.label(0), train.label(1), test.label(0)), (99, 0, 1));
    assert_eq!(train.classes()[99], "worm");
    assert!(train.classes().is_sorted());
    check(train.image(1).unwrap(), 255);
    check(test.image(0).unwrap(), 9);
    file(folder.path().join("cifar-100-binary/test.bin"), [0; 3000]);
    let error = read(folder.path(), &CIFAR100).err().unwrap().to_string();
    assert!(error.ends_with("test.bin: expected records of 3074 bytes, got 3000 bytes"), "{error}");
}

#[test]
fn reads_cifar10_as_the_authors_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    for (number, name) in TEN.files.iter().enumerate() {
        let records: Vec<u8> = (0..10_000)
            .flat_map(|row| [vec![(row % 10) as u8], planes(number as u8 * 40)].concat())
            .collect();
        file(folder.path().join(name), records);
    }
    let parts = read(folder.path(), &CIFAR10).unwrap();
    let (train, test) = (parts.train.unwrap(), parts.test.unwrap());
    assert_eq!((train.len(), test.len()), (50_000, 10_000));
    assert_eq!((train.label(19), test.label(3)), (9, 3));
    check(train.image(0).unwrap(), 0);
    check(train.image(49_999).unwrap(), 160);
    check(test.image(1).unwrap(), 200);
}

#[test]
fn says_what_to_download() {
    let folder = tempfile::tempdir().unwrap();
    let message = read(folder.path(), &CIFAR10).err().unwrap().to_string();
    assert!(
        message.contains("download https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz and unpack it in"),
        "{message}"
    );
}

#[test]
fn the_real_files() {
    let Some(root) = real("cifar10") else { return };
    let parts = read(&root, &CIFAR10).unwrap();
    let (train, test) = (parts.train.unwrap(), parts.test.unwrap());
    let mut counts = [0; 10];
    (0..train.len()).for_each(|index| counts[train.label(index) as usize] += 1);
    println!("{} and {}; {counts:?}", train.len(), test.len());
    assert_eq!((train.len(), test.len()), (50_000, 10_000));
    assert_eq!(counts, [5000; 10]);
    assert_eq!(crate::size(&test.image(0).unwrap()).unwrap(), (32, 32));
}
