use std::path::{Path, PathBuf};

use super::*;
use crate::written::{file, jpeg, picture};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/decode")
}

/// The largest and the mean difference of two lists of bytes.
fn differences(a: &[u8], b: &[u8]) -> (u8, f64) {
    assert_eq!(a.len(), b.len());
    let differences = || a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (differences().max().unwrap(), differences().map(f64::from).sum::<f64>() / a.len() as f64)
}

#[test]
fn every_format_arrives_as_pillow_reads_it() {
    let folder = golden();
    let cases: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let pixels = std::fs::read(folder.join("expected.bin")).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 32);
    let mut failures = Vec::new();
    for case in cases {
        let name = case["file"].as_str().unwrap();
        let number = |key: &str| case[key].as_u64().unwrap() as usize;
        let (width, height) = (number("width"), number("height"));
        let expected = &pixels[number("at")..][..width * height * 3];
        let encoded = Encoded::File(folder.join(name));
        assert_eq!(size(&encoded).unwrap(), (width as u32, height as u32), "{name}");
        let image = decode(&encoded).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((image.width, image.height), (width as u32, height as u32), "{name}");
        let (most, mean) = differences(&image.pixels, expected);
        // Lossless formats exactly. JPEG: the inverse transforms and the upsampling of the colour planes round differently.
        let allowed = match name.split(['_', '.']).next().unwrap() {
            "jpeg" => (4, 0.5),
            "webp" if name.contains("lossy") => (4, 0.5),
            _ => (0, 0.0),
        };
        println!("{name}: max {most}, mean {mean:.3}");
        if most > allowed.0 || mean > allowed.1 {
            failures.push(format!("{name}: max {most}, mean {mean:.3}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn each_orientation_is_turned_upright() {
    let upright = picture(32, 16);
    // How a camera that notes `orientation` stores the picture: the inverse turn.
    let flop = image::imageops::flip_horizontal;
    let stored = [
        upright.clone(),
        flop(&upright),
        image::imageops::rotate180(&upright),
        image::imageops::flip_vertical(&upright),
        flop(&image::imageops::rotate90(&upright)),
        image::imageops::rotate270(&upright),
        flop(&image::imageops::rotate270(&upright)),
        image::imageops::rotate90(&upright),
    ];
    for (orientation, stored) in (1..=8).zip(&stored) {
        let encoded = Encoded::Bytes(jpeg(stored, Some(orientation)));
        assert_eq!(size(&encoded).unwrap(), (32, 16), "orientation {orientation}");
        let image = decode(&encoded).unwrap();
        let (most, mean) = differences(&image.pixels, upright.as_raw());
        assert!(most < 20 && mean < 3.0, "orientation {orientation}: max {most}, mean {mean}");
    }
}

#[test]
fn a_truncated_file_is_an_error_at_any_length() {
    let folder = golden();
    let mut names = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().unwrap().to_str().unwrap();
        // A TIFF may keep its directory, or slack, at the end; a BMP has no mark of its end: both are cut in half only.
        let tail = match extension {
            "jpg" | "webp" => 2,
            "png" => 20,
            "bmp" | "tif" => usize::MAX,
            _ => continue,
        };
        names += 1;
        let bytes = std::fs::read(&path).unwrap();
        for kept in [bytes.len() / 4, bytes.len() / 2, bytes.len().saturating_sub(tail)] {
            let cut = Encoded::Bytes(bytes[..kept].to_vec());
            assert!(decode(&cut).is_err(), "{}: {kept} of {} bytes were enough", path.display(), bytes.len());
        }
    }
    assert_eq!(names, 32);
}

#[test]
fn says_what_is_wrong_with_a_file() {
    let message = |bytes: &[u8]| decode(&Encoded::Bytes(bytes.to_vec())).unwrap_err().to_string();
    let whole = jpeg(&picture(64, 64), Some(1));
    let half = &whole[..whole.len() / 2];
    assert_eq!(message(half), format!("truncated JPEG: {} bytes, and no end-of-image marker", half.len()));
    assert_eq!(message(b""), "expected an image, got an empty file");
    assert_eq!(message(b"<html>"), "expected a JPEG, PNG, BMP, TIFF or WebP image, got something else");
    let missing = decode(&Encoded::File("nowhere.jpg".into())).unwrap_err().to_string();
    assert!(missing.starts_with("nowhere.jpg: "), "{missing}");
}

/// Pillow and torchvision read these, with a warning of libjpeg's at most.
#[test]
fn a_scan_that_ends_early_is_an_error_in_spite_of_its_end_marker() {
    let noisy = image::RgbImage::from_fn(64, 64, |x, y| {
        image::Rgb([(x * 37 + y * 91) as u8, (x * x + 13 * y) as u8, (x * y * 7) as u8])
    });
    for picture in [picture(64, 64), noisy] {
        let whole = jpeg(&picture, None);
        decode(&Encoded::Bytes(whole.clone())).unwrap();
        let data = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        for part in [0.1, 0.5, 0.75] {
            let kept = data + ((whole.len() - data) as f64 * part) as usize;
            let cut = [&whole[..kept], &[0xff, 0xd9]].concat();
            let error = decode(&Encoded::Bytes(cut)).unwrap_err().to_string();
            assert_eq!(error, "truncated JPEG: its data end before the picture is complete", "{part}");
        }
    }
}

#[test]
fn a_thumbnail_does_not_end_an_image() {
    // A whole JPEG in an application segment of another one that is cut: the thumbnail's end is not the picture's.
    let (small, large) = (jpeg(&picture(8, 8), None), jpeg(&picture(64, 64), None));
    let mut bytes = large[..2].to_vec();
    bytes.extend([0xff, 0xe3]);
    bytes.extend((small.len() as u16 + 2).to_be_bytes());
    bytes.extend(&small);
    bytes.extend(&large[2..]);
    assert_eq!(decode(&Encoded::Bytes(bytes.clone())).unwrap().width, 64);
    bytes.truncate(bytes.len() - 100);
    let error = decode(&Encoded::Bytes(bytes)).unwrap_err().to_string();
    assert!(error.starts_with("truncated JPEG"), "{error}");
}

#[test]
fn garbage_in_the_middle_of_a_jpeg_is_an_error() {
    let mut bytes = jpeg(&picture(64, 64), None);
    let middle = bytes.len() - 200;
    // A marker that has no place there.
    bytes[middle] = 0xff;
    bytes[middle + 1] = 0xc0;
    assert!(decode(&Encoded::Bytes(bytes)).is_err());
}

#[test]
fn bytes_between_headers_are_skipped() {
    let whole = jpeg(&picture(16, 16), None);
    // After the first segment.
    let at = 4 + usize::from(u16::from_be_bytes([whole[4], whole[5]]));
    let spaced = [&whole[..at], &[0; 6], &whole[at..]].concat();
    let plain = decode(&Encoded::Bytes(whole)).unwrap();
    assert_eq!(decode(&Encoded::Bytes(spaced)).unwrap(), plain);
}

#[test]
fn a_loaded_file_is_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.jpg");
    file(&path, jpeg(&picture(20, 10), None));
    let stored = Encoded::File(path);
    let loaded = stored.clone().load().unwrap();
    assert!(matches!(loaded, Encoded::Bytes(_)));
    assert_eq!(decode(&loaded).unwrap(), decode(&stored).unwrap());
}

/// What stands between the scans of a progressive JPEG turns neither its size nor its pixels.
#[test]
fn a_second_orientation_after_the_headers_counts_for_nothing() {
    let mut bytes = std::fs::read(golden().join("jpeg_progressive.jpg")).unwrap();
    let plain = decode(&Encoded::Bytes(bytes.clone())).unwrap();
    let scans: Vec<usize> = (0..bytes.len() - 1).filter(|&at| bytes[at..at + 2] == [0xff, 0xda]).collect();
    // APP1, Exif, little-endian TIFF, one entry: orientation (0x112), a short, 6: turned by 90°.
    let mut exif =
        b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0".to_vec();
    exif.extend([0; 4]);
    bytes.splice(scans[1]..scans[1], exif);
    let encoded = Encoded::Bytes(bytes);
    assert_eq!(size(&encoded).unwrap(), (plain.width, plain.height));
    assert_eq!(decode(&encoded).unwrap(), plain);
}
