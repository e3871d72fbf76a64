//! A fingerprint of what images are made of.

use crate::decode::whole::Ends;
use crate::hash::hash;
use crate::identical::in_threads;
use crate::{Dataset, Encoded, Result};

/// 128 bits over what tells the images of a dataset from others of the same names, in their order, as 32 hexadecimal digits. Of a file, or
/// its bytes in memory, that is its length, its first and its last 64 bytes: in them are the checksums that end a PNG, and the end of
/// what a JPEG or WebP coded. Of pixels it is all of them. No date is looked at, so that a copy elsewhere is the same.
///
/// # Errors
/// Those of [`Dataset::image`]; files that cannot be read.
pub fn content(dataset: &dyn Dataset, workers: usize) -> Result<String> {
    content_by(dataset, workers, &|index| of_image(&dataset.image(index)?))
}

/// The same, where `of` says what an image is.
pub(crate) fn content_by(
    dataset: &dyn Dataset,
    workers: usize,
    of: &(dyn Fn(usize) -> Result<u128> + Sync),
) -> Result<String> {
    let each = in_threads(dataset.len(), workers, of)?;
    let all: Vec<u8> = each.into_iter().flat_map(u128::to_le_bytes).collect();
    Ok(format!("{:032x}", hash(&all, 0)))
}

pub(crate) fn of_image(encoded: &Encoded) -> Result<u128> {
    Ok(match (encoded, Ends::of(encoded)?) {
        (_, Some(Ends { start, end, length })) => hash(&end, hash(&start, hash(&length.to_le_bytes(), 1))),
        (Encoded::Pixels(image), _) => {
            let size = [image.width.to_le_bytes(), image.height.to_le_bytes()].concat();
            hash(&image.pixels, hash(&size, 0))
        }
        (_, None) => unreachable!("pixels alone have no ends"),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::written::{file, jpeg, picture};
    use crate::{Images, Row, Table};

    fn table(images: Images, count: usize) -> Arc<Table> {
        let row = |index: usize| Row { id: index.to_string(), label: 0, group: None };
        Arc::new(Table::new("test", vec!["a".into()], None, (0..count).map(row).collect(), images).unwrap())
    }

    #[test]
    fn other_images_of_the_same_names_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..9).map(|index| folder.path().join(format!("{index}.jpg"))).collect();
        let bytes: Vec<Vec<u8>> = (0..9).map(|index| jpeg(&picture(20 + index, 20), None)).collect();
        paths.iter().zip(&bytes).for_each(|(path, bytes)| file(path, bytes));
        let of_files = || content(&*table(Images::Files(paths.clone().into()), 9), 3).unwrap();
        let before = of_files();
        assert_eq!(
            before,
            content(&*table(Images::Bytes(bytes.clone().into_iter().collect()), 9), 1).unwrap()
        );
        // Written once more, at another time.
        file(&paths[4], &bytes[4]);
        assert_eq!(of_files(), before);
        file(&paths[4], &bytes[5]);
        let swapped = of_files();
        assert_ne!(swapped, before);
        // Two that changed places are not the same.
        file(&paths[5], &bytes[4]);
        assert!(of_files() != swapped && of_files() != before);
        std::fs::remove_file(&paths[0]).unwrap();
        assert!(content(&*table(Images::Files(paths.into()), 9), 2).is_err());
    }

    #[test]
    fn every_pixel_counts() {
        let of = |bytes: Vec<u8>| {
            let images = Images::Pixels { width: 2, height: 3, channels: 1, bytes };
            content(&*table(images, 2), 2).unwrap()
        };
        let before = of(vec![7; 12]);
        for at in 0..12 {
            let mut bytes = vec![7; 12];
            bytes[at] = 8;
            assert_ne!(of(bytes), before);
        }
    }
}
