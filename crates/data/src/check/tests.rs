//! A folder of pictures with everything that a check looks for.

use std::path::Path;

use image::imageops::{FilterType, crop_imm, resize, rotate90};
use image::{Rgb, RgbImage};
use tallow_seed::Seed;

use super::*;
use crate::written::file;
use crate::{Encoded, Images, Row, Table};

/// Blobs of light and dark on a slope.
fn picture(seed: u64) -> RgbImage {
    let mut rng = Seed::new(seed).rng();
    let blobs: Vec<[f64; 4]> = (0..80)
        .map(|_| {
            [
                rng.uniform() * 96.0,
                rng.uniform() * 96.0,
                2.0 + 5.0 * rng.uniform(),
                rng.uniform_in(-70.0, 70.0),
            ]
        })
        .collect();
    RgbImage::from_fn(96, 96, |x, y| {
        let (x, y) = (f64::from(x), f64::from(y));
        let blob = |[a, b, size, height]: &[f64; 4]| {
            height * (-((x - a).powi(2) + (y - b).powi(2)) / (2.0 * size * size)).exp()
        };
        let level = 70.0 + x + blobs.iter().map(blob).sum::<f64>();
        Rgb([level, level * 0.8, level * 0.7].map(|level| level.clamp(0.0, 255.0) as u8))
    })
}

fn png(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// (name, file, label) as a part of classes a and b; names that begin with the same letter are of one group.
fn part(folder: &Path, files: &[(&str, Vec<u8>, u32)]) -> Table {
    let row = |(name, _, label): &(&str, Vec<u8>, u32)| Row {
        id: (*name).into(),
        label: *label,
        group: Some(name[..1].into()),
    };
    let rows = files.iter().map(row).collect();
    let paths = files.iter().map(|(name, bytes, _)| {
        file(folder.join(name), bytes);
        folder.join(name)
    });
    let place = folder.display().to_string();
    Table::new(
        &place,
        vec!["a".into(), "b".into()],
        Some("lesion_id".into()),
        rows,
        Images::Files(paths.collect()),
    )
    .unwrap()
}

/// The same part, of whose files nothing is known yet.
fn opened(part: &Table) -> Table {
    let row = |index: usize| Row {
        id: part.id(index).into(),
        label: part.label(index),
        group: part.group(index).map(str::to_owned),
    };
    let path = |index: usize| match part.image(index).unwrap() {
        Encoded::File(path) => path,
        other => panic!("{other:?}"),
    };
    let (rows, files) = ((0..part.len()).map(row).collect(), (0..part.len()).map(path).collect());
    let (classes, group) = (part.classes().to_vec(), part.group_name().map(str::to_owned));
    Table::new(part.place().unwrap(), classes, group, rows, Images::Files(files)).unwrap()
}

fn ids(sets: &[&[Place]]) -> Vec<String> {
    sets.iter().map(|set| set.iter().map(|place| &*place.id).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn every_kind_of_copy_is_found_across_parts_and_labels_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let others = (100..140).map(|seed| png(&picture(seed)));
    let names: Vec<String> = (0..40).map(|at| format!("o{at}.png")).collect();
    let mut files: Vec<(&str, Vec<u8>, u32)> =
        names.iter().zip(others).map(|(name, bytes)| (name.as_str(), bytes, 0)).collect();
    let mut tiff = std::io::Cursor::new(Vec::new());
    picture(1).write_to(&mut tiff, image::ImageFormat::Tiff).unwrap();
    files.extend([
        ("a.png", png(&picture(1)), 0),
        ("b.png", png(&picture(2)), 0),
        ("c.png", png(&picture(3)), 0),
        ("d.png", png(&picture(4)), 0),
        ("e.png", png(&picture(4)), 1),
        ("f.png", png(&RgbImage::from_pixel(96, 96, Rgb([90, 80, 70]))), 0),
        ("g.png", b"no picture".to_vec(), 0),
    ]);
    let train = part(&folder.path().join("train"), &files);
    let cut = crop_imm(&rotate90(&picture(3)), 5, 3, 85, 88).to_image();
    let test = part(
        &folder.path().join("test"),
        &[
            ("h.png", png(&picture(50)), 0),
            ("i.tif", tiff.into_inner(), 0),
            ("j.jpg", crate::written::jpeg(&resize(&picture(2), 140, 140, FilterType::Triangle), None), 0),
            ("k.png", png(&cut), 1),
        ],
    );
    let parts: [(&str, &dyn Dataset); 2] = [("train", &train), ("test", &test)];
    let cache = Cache::new(folder.path().join("cache"));
    assert!(known(&parts, &cache, 2).unwrap().is_none());
    let look = |fresh| check(&parts, &cache, fresh, 2, &|_, _| {}).unwrap();
    let found = look(false);
    assert_eq!((found.images, found.decoded), (51, 51));
    let findings = &found.findings;
    assert_eq!(ids(&findings.across_parts()), ["a.png i.tif", "b.png j.jpg", "c.png k.png"]);
    assert_eq!(ids(&findings.identical.across_classes()), ["d.png e.png"]);
    assert_eq!((findings.identical.0.len(), findings.recoded.0.len()), (2, 1), "a PNG and a TIFF");
    let pairs: Vec<&Pair> = findings.near.iter().flat_map(|near| &near.pairs).collect();
    assert_eq!(pairs.len(), 2);
    assert!(pairs.iter().all(|pair| pair.correlation > 0.88 && pair.probability > 0.5 && !pair.same_group));
    let warnings = findings.warnings();
    assert!(warnings[0].starts_with("2 pairs of nearly identical images in two parts: "), "{warnings:?}");
    assert!(
        warnings[1].starts_with("1 pair of nearly identical images under two labels: c.png (a) ≈ k.png (b) "),
        "{warnings:?}"
    );
    assert_eq!(found.broken.len(), 1);
    assert_eq!((found.broken[0].0.as_str(), found.broken[0].1[0].id.as_str()), ("train", "g.png"));
    assert_eq!(found.odd.len(), 1, "{:?}", found.odd);
    assert_eq!(
        found.odd[0],
        (
            Place { part: "train".into(), id: "f.png".into(), class: "a".into() },
            "of one colour: contrast 0.0".into()
        )
    );

    // The second time nothing but the broken file is decoded, no pair is compared, and what was found is the same; anew, everything is.
    let again = look(false);
    assert_eq!((again.decoded, &again.findings), (1, findings));
    let anew = look(true);
    assert_eq!((anew.decoded, &anew.findings), (51, findings));
    assert_eq!((again.candidates, anew.candidates), (None, found.candidates));
    assert!(found.candidates.is_some_and(|pairs| pairs >= 2));
    // A training knows what was found once its images, without the broken one, were all compared.
    let rest: Vec<usize> = (0..train.len()).filter(|at| train.id(*at) != "g.png").collect();
    let rest = crate::Subset::new(Arc::new(train), rest.into_iter().map(|at| at as u32).collect());
    let parts: [(&str, &dyn Dataset); 2] = [("train", &rest), ("test", &test)];
    assert_eq!(known(&parts, &cache, 2).unwrap().as_ref(), Some(findings));
    // A changed file was not, once the data are opened again.
    file(folder.path().join("test/h.png"), png(&picture(51)));
    let test = opened(&test);
    let parts: [(&str, &dyn Dataset); 2] = [("train", &rest), ("test", &test)];
    assert_eq!(known(&parts, &cache, 2).unwrap(), None);
}

#[test]
fn near_images_of_one_group_and_of_several_steps_are_one_set() {
    let folder = tempfile::tempdir().unwrap();
    let one = picture(1);
    let mirrored = image::imageops::flip_horizontal(&one);
    let paler = RgbImage::from_fn(96, 96, |x, y| Rgb(one.get_pixel(x, y).0.map(|level| 30 + level / 2)));
    let files = [
        ("a1.png", png(&picture(1)), 0),
        ("a2.png", png(&mirrored), 0),
        ("a3.png", png(&paler), 0),
        ("a4.png", png(&picture(1)), 0),
    ];
    let train = part(folder.path(), &files);
    let found = check(&[("train", &train)], &Cache::NONE, false, 1, &|_, _| {}).unwrap().findings;
    assert_eq!(found.near.len(), 1);
    assert_eq!(ids(&[&found.near[0].images]), ["a1.png a2.png a3.png a4.png"]);
    assert!(found.near[0].pairs.iter().all(|pair| pair.same_group));
    assert!(found.across_parts().is_empty() && found.warnings().is_empty());
    assert_eq!(found.identical.0.len(), 1);
}
