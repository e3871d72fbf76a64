//! Local dimensions against scikit-dimension, point by point (`tests/golden/dimension.py`).

use serde_json::Value;
use std::path::{Path, PathBuf};
use tallow_metrics::{Points, local_dimension};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/dimension").join(name)
}

/// float32 (N, D) behind a header of version 1.
fn points(name: &str, rows: usize) -> Points {
    let file = std::fs::read(golden(&format!("{name}.npy"))).unwrap();
    let start = 10 + usize::from(u16::from_le_bytes([file[8], file[9]]));
    let numbers = file[start..].chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
    Points::new(rows, numbers.collect()).unwrap()
}

#[test]
fn every_point_has_the_dimension_of_lpca() {
    let cases: Value = serde_json::from_slice(&std::fs::read(golden("cases.json")).unwrap()).unwrap();
    let (mut seen, mut left_out) = (0, 0);
    for case in cases.as_array().unwrap() {
        let (name, k) = (case["points"].as_str().unwrap(), case["neighbours"].as_u64().unwrap() as usize);
        let whole = |key: &str| -> Vec<usize> {
            case[key].as_array().unwrap().iter().map(|d| d.as_u64().unwrap() as usize).collect()
        };
        let (expected, near) = (whole("pointwise"), whole("near"));
        let points = points(name, expected.len());
        let found = &local_dimension(&points, &[k]).unwrap()[0];
        for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
            if near.contains(&at) {
                left_out += 1;
            } else {
                assert_eq!(found, expected, "{name}, {k} neighbours, point {at}");
                seen += 1;
            }
        }
        // Several k at once are the same as one, and so are moved points.
        let moved = points.clone().from(&points.mean());
        assert_eq!(local_dimension(&points, &[2, k]).unwrap()[1], *found);
        let same =
            local_dimension(&moved, &[k]).unwrap()[0].iter().zip(found).filter(|(a, b)| a == b).count();
        assert!(same + near.len() >= found.len(), "{name}: {same} of {}", found.len());
    }
    assert!(seen > 1800 && left_out < 10, "{seen} seen, {left_out} left out");
}
