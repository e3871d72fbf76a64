//! Masks and peers: FMix, ResizeMix, the spectral residual, torchvision's and timm's CutMix and mixup, on fixed draws.

use crate::goldens::{AUTHORS, authors, list, tensor};
use crate::setting::*;
use candle_core::{Device, Tensor};
use serde_json::{Value, json};
use tallow_policy::mix::{cutmix::cut, fmix, gridmix::grid, gridmixup, resizemix::patch, smoothmix::spot};
use tallow_policy::saliency::{peak, smoothed, spectral_residual};
use tallow_policy::{Order, Pairing, Rows};

/// Values and targets through one node, written as JSON, which is YAML.
fn node(node: &Value, rows: &Rows, values: &Tensor) -> (Vec<f64>, Vec<f64>) {
    let branch = branch(&json!([node]).to_string());
    let (mixed, pass) = through(&branch, rows, 0, values);
    (flat(&mixed), pass.targets())
}

#[test]
fn masks_of_fmix_as_the_authors_code() {
    let cases = authors("fmix");
    for case in &cases {
        let size: (usize, usize) = list(&case["size"]);
        let field = fmix::low_pass(list(&case["spectrum"]), size, case["decay"].as_f64().unwrap());
        assert!(apart(&field, &list::<Vec<f64>>(&case["field"])) < AUTHORS, "{size:?}");
        let part = case["lambda"].as_f64().unwrap() * field.len() as f64;
        let own = if case["up"].as_bool().unwrap() { part.ceil() } else { part.floor() } as usize;
        let mask = fmix::lowest(&field, field.len() - own);
        let expected: Vec<f32> = list::<Vec<u8>>(&case["own"]).iter().map(|own| f32::from(1 - own)).collect();
        assert_eq!(mask, expected, "{size:?}");
        assert_eq!(expected.iter().filter(|theirs| **theirs == 0.0).count(), own);
    }
    assert_eq!(cases.len(), 5);
}

#[test]
fn the_whole_partner_is_shrunk_as_torch_does_it() {
    let cases = authors("resizemix");
    for case in &cases {
        let values = tensor(case);
        let rows = rows(&(0..values.dims()[0] as u32).collect::<Vec<_>>(), values.dims()[0]);
        let paste = json!({ "pasted": { "partner": case["partner"], "boxes": case["boxes"], "masks": [], "whole": true } });
        let (mixed, targets) = node(&paste, &rows, &values);
        assert!(apart(&mixed, &list::<Vec<f64>>(&case["mixed"])) < AUTHORS);
        let (partner, own): (Vec<usize>, Vec<f64>) = (list(&case["partner"]), list(&case["own"]));
        for (i, (j, own)) in partner.into_iter().zip(own).enumerate() {
            if i != j {
                close(targets[i * rows.len() + i], own, 1e-12);
                close(targets[i * rows.len() + j], 1.0 - own, 1e-12);
            }
        }
    }
    assert_eq!(cases.len(), 2);
}

#[test]
fn patches_as_the_authors_code() {
    let cases = authors("patches");
    for case in &cases {
        let (size, centre) = (list::<(usize, usize)>(&case["size"]), list::<(usize, usize)>(&case["centre"]));
        let got = patch(size, case["tau"].as_f64().unwrap(), centre);
        assert_eq!([got.top, got.bottom, got.left, got.right], list::<[usize; 4]>(&case["box"]), "{case}");
        close(1.0 - got.area() as f64 / (size.0 * size.1) as f64, case["own"].as_f64().unwrap(), 1e-12);
    }
    assert_eq!(cases.len(), 48);
}

/// Of images of one colour each every interpolation is the same, so that all pixels are theirs.
#[test]
fn resizemix_as_the_authors_code() {
    let cases = authors("resizemix_batches");
    for case in &cases {
        let (values, labels): (Tensor, Vec<u32>) = (tensor(case), list(&case["labels"]));
        let (_, _, height, width) = values.dims4().unwrap();
        let tau = case["tau"].as_f64().unwrap();
        let boxes: Vec<[usize; 4]> = list::<Vec<(usize, usize)>>(&case["centres"])
            .into_iter()
            .map(|centre| patch((height, width), tau, centre))
            .map(|rect| [rect.top, rect.bottom, rect.left, rect.right])
            .collect();
        let paste =
            json!({ "pasted": { "partner": case["partner"], "boxes": boxes, "masks": [], "whole": true } });
        let (mixed, targets) = node(&paste, &rows(&labels, 3), &values);
        assert!(apart(&mixed, &list::<Vec<f64>>(&case["mixed"])) < AUTHORS, "{case}");
        assert!(apart(&targets, &list::<Vec<f64>>(&case["targets"])) < AUTHORS, "{case}");
    }
    assert_eq!(cases.len(), 3);
}

#[test]
fn lattices_as_the_authors_code() {
    let cases = authors("lattices");
    for case in &cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let size = list::<(usize, usize)>(&case["size"]);
        let crop = gridmixup::crop(size, number("area"), number("aspect"), list(&case["place"]));
        assert_eq!(
            [crop.top, crop.bottom, crop.left, crop.right],
            list::<[usize; 4]>(&case["box"]),
            "{case}"
        );
        let mask = gridmixup::lattice(size, crop, number("holes") as usize, number("lambda"));
        assert_eq!(mask, list::<Vec<f32>>(&case["mask"]), "{case}");
    }
    assert_eq!(cases.len(), 12);
    // A rectangle that would leave the image is cut: √(36 / 4) = 3 across, 12 down of 6.
    let crop = gridmixup::crop((6, 6), 1.0, 4.0, (0.5, 0.5));
    assert_eq!((crop.top, crop.bottom, crop.left, crop.right), (0, 6, 1, 4));
    // Two pixels are one cell, of which the hole leaves one; a pixel has no hole.
    let crop = |right| tallow_policy::Rect { top: 0, bottom: 2, left: 0, right };
    assert_eq!(gridmixup::lattice((2, 2), crop(2), 6, 0.0), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(gridmixup::lattice((2, 2), crop(1), 6, 0.0), [0.0; 4]);
}

#[test]
fn the_spectral_residual_as_its_formula_in_numpy() {
    let cases = authors("spectral");
    for case in &cases {
        let (size, scale): ((usize, usize), f64) = (list(&case["size"]), list(&case["scale"]));
        let map = spectral_residual(&list::<Vec<f64>>(&case["image"]), size);
        let scaled = |map: &[f64]| map.iter().map(|x| x / scale).collect::<Vec<f64>>();
        assert!(apart(&scaled(&map), &list::<Vec<f64>>(&case["map"])) < AUTHORS);
        let smooth = smoothed(&map, size);
        assert!(apart(&scaled(&smooth), &list::<Vec<f64>>(&case["smoothed"])) < AUTHORS);
        assert_eq!(peak(&smooth, size, size), list(&case["peak"]));
    }
    assert_eq!(cases.len(), 3);
}

#[test]
fn cutmix_and_mixup_as_torchvision_and_timm() {
    let cases = authors("peers");
    let mut seen = Vec::new();
    for case in &cases {
        let labels: Vec<u32> = list(&case["labels"]);
        let rows = Rows::one_hot(labels.clone(), vec![None; labels.len()], 3);
        let order = Order::ALL.iter().find(|(name, _)| case["order"] == *name).unwrap().1;
        let partners = Pairing { order, within_group: true }.partners(&rows.groups, &mut rng(0, "none"));
        let (values, lambdas): (Tensor, Vec<f64>) = (tensor(case), list(&case["lambda"]));
        let node_of = match (case["centre"].is_null(), lambdas.as_slice()) {
            (true, [lambda]) => {
                json!({ "linear": { "weights": { "fixed": [lambda, 1.0 - lambda] } }, "pairing": case["order"] })
            }
            (true, lambdas) => {
                let row = |i: usize| json!([[i, lambdas[i]], [partners[i], 1.0 - lambdas[i]]]);
                json!({ "fixed": { "shares": (0..lambdas.len()).map(row).collect::<Vec<_>>() } })
            }
            (false, lambdas) => {
                let (_, _, height, width) = values.dims4().unwrap();
                let rect = cut((height, width), lambdas[0], list(&case["centre"]));
                let rect = [rect.top, rect.bottom, rect.left, rect.right];
                json!({ "pasted": { "partner": partners, "boxes": [rect], "masks": [], "whole": false } })
            }
        };
        let (mixed, targets) = node(&node_of, &rows, &values);
        assert!(apart(&mixed, &list::<Vec<f64>>(&case["mixed"])) < AUTHORS, "{case}");
        assert!(apart(&targets, &list::<Vec<f64>>(&case["targets"])) < AUTHORS, "{case}");
        seen.push(case["peer"].as_str().unwrap().to_owned());
    }
    assert_eq!((seen.len(), seen.iter().filter(|peer| *peer == "timm").count()), (7, 3));
}

#[test]
fn a_spot_by_hand() {
    // H = 2, W = 3, s = 1/2: σ = 1 down, 1.5 across; the centre at (0, 1).
    let e = |y: f64, x: f64| (-y * y / 2.0 - x * x / 4.5).exp();
    let expected = [e(0., 1.), 1.0, e(0., 1.), e(1., 1.), e(1., 0.), e(1., 1.)];
    let got: Vec<f64> = spot((2, 3), (0, 1), 0.5).into_iter().map(f64::from).collect();
    assert!(apart(&got, &expected) < 1e-7);
    // The share of the partner is the mean of the spot: (1 + 2e^(−1/4.5)) · (1 + e^(−1/2)) / 6.
    let share = (1.0 + 2.0 * (-1.0f64 / 4.5).exp()) * (1.0 + (-0.5f64).exp()) / 6.0;
    let paste = json!({ "pasted": { "partner": [1, 0], "boxes": [], "masks": [spot((2, 3), (0, 1), 0.5)], "whole": false } });
    let values = Tensor::zeros((2, 1, 2, 3), candle_core::DType::F64, &Device::Cpu).unwrap();
    close(node(&paste, &rows(&[0, 1], 2), &values).1[1], share, 1e-7);
}

#[test]
fn a_grid_by_hand() {
    // 5 pixels in 2 cells: ⌊2y/5⌋ = 0 0 0 1 1; 4 columns in 2 cells: 0 0 1 1.
    let mask = grid((5, 4), (2, 2), &[true, false, false, true]);
    let expected = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]];
    assert_eq!(mask, expected.concat().into_iter().map(|x| x as f32).collect::<Vec<_>>());
}
