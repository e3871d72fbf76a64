//! Datasets in binary files of fixed records: the IDX files of MNIST and its kin, the files of CIFAR-10 and CIFAR-100.

use std::path::Path;

use crate::part::Part;
use crate::{Error, Images, Result, file};

/// (part, images, labels).
pub type Loaded = Vec<(Part, Images, Vec<u32>)>;

/// The four IDX files of MNIST in `folder`: 28×28, grey.
pub fn mnist(folder: &Path) -> Result<Loaded> {
    const SIDE: u32 = 28;
    let read = |part, prefix: &str| {
        let images =
            idx(&folder.join(format!("{prefix}-images-idx3-ubyte")), &[None, Some(SIDE), Some(SIDE)])?;
        let rows = (images.len() / (SIDE * SIDE) as usize) as u32;
        let path = folder.join(format!("{prefix}-labels-idx1-ubyte"));
        let labels = idx(&path, &[Some(rows)])?.into_iter().map(u32::from).collect();
        Ok((part, Images::Pixels { width: SIDE, height: SIDE, channels: 1, bytes: images }, labels))
    };
    Ok(vec![read(Part::Train, "train")?, read(Part::Test, "t10k")?])
}

/// The bytes behind the header of an IDX file, which gives these sizes; `None` is any. Source: yann.lecun.com/exdb/mnist.
fn idx(path: &Path, expected: &[Option<u32>]) -> Result<Vec<u8>> {
    let invalid = |problem| Err(Error::invalid(path.display(), problem));
    let mut file = file::read(path)?;
    let header: Vec<u32> =
        file.as_chunks().0.iter().take(1 + expected.len()).map(|word| u32::from_be_bytes(*word)).collect();
    // Two zeros, the type (8: unsigned bytes), the number of sizes.
    let magic = 0x0800 + expected.len() as u32;
    match header.split_first() {
        Some((&found, sizes)) if sizes.len() == expected.len() => {
            if found != magic {
                return invalid(format!(
                    "expected an IDX file that begins with {magic}, got {found}; is it unpacked?"
                ));
            }
            if let Some((size, expected)) =
                sizes.iter().zip(expected).find(|(size, expected)| expected.is_some_and(|e| e != **size))
            {
                return invalid(format!("expected a size of {}, got {size}", expected.unwrap_or_default()));
            }
            let length: u128 = sizes.iter().map(|&size| u128::from(size)).product();
            let bytes = file.split_off(4 * header.len());
            if bytes.len() as u128 != length {
                return invalid(format!("expected {length} bytes behind the header, got {}", bytes.len()));
            }
            Ok(bytes)
        }
        _ => invalid(format!("expected the header of an IDX file, got {} bytes", file.len())),
    }
}

/// The six binary files of CIFAR-10 in `folder`: 32×32, RGB. A record is the label, then the three planes.
pub fn cifar10(folder: &Path) -> Result<Loaded> {
    let train: Vec<String> = (1..=5).map(|number| format!("data_batch_{number}.bin")).collect();
    Ok(vec![
        cifar(folder, Part::Train, &train, 1)?,
        cifar(folder, Part::Test, &["test_batch.bin".to_owned()], 1)?,
    ])
}

/// The two binary files of CIFAR-100. A record is the coarse label, the fine one, then the three planes.
pub fn cifar100(folder: &Path) -> Result<Loaded> {
    let one = |part, name: &str| cifar(folder, part, &[name.to_owned()], 2);
    Ok(vec![one(Part::Train, "train.bin")?, one(Part::Test, "test.bin")?])
}

/// Pixels of one image and channel.
pub(crate) const PLANE: usize = 32 * 32;

/// Records of `front` bytes, the last of them the label, and three planes.
fn cifar(folder: &Path, part: Part, names: &[String], front: usize) -> Result<(Part, Images, Vec<u32>)> {
    let record = front + 3 * PLANE;
    let (mut bytes, mut labels) = (Vec::new(), Vec::new());
    for name in names {
        let path = folder.join(name);
        let file = file::read(&path)?;
        if file.is_empty() || file.len() % record != 0 {
            let problem = format!("expected records of {record} bytes, got {} bytes", file.len());
            return Err(Error::invalid(path.display(), problem));
        }
        for record in file.chunks_exact(record) {
            labels.push(u32::from(record[front - 1]));
            let [red, green, blue] = [0, 1, 2].map(|plane| &record[front + plane * PLANE..][..PLANE]);
            bytes.extend((0..PLANE).flat_map(|at| [red[at], green[at], blue[at]]));
        }
    }
    Ok((part, Images::Pixels { width: 32, height: 32, channels: 3, bytes }, labels))
}
