//! Moments and support of every draw of a mask.

use crate::setting::*;
use candle_core::{DType, Device, Tensor};
use tallow_policy::mix::{gridmixup, resizemix::patch};
use tallow_policy::{Mask, Mixing, PatchSource, Rect};

/// The masks of 100 draws for 20 rows of 32×32, one for each row.
fn masks(text: &str) -> Vec<Vec<f32>> {
    let one = |step| match drawn(text, &[0; 20], (32, 32), step) {
        Mixing::Masked { mask: Mask::Soft(masks), source: PatchSource::Aligned, .. } => masks,
        other => panic!("{text}: {other:?}"),
    };
    let masks: Vec<Vec<f32>> = (0..100).flat_map(one).collect();
    assert_eq!(masks.len(), 2000);
    masks
}

fn mass(mask: &[f32]) -> f64 {
    mask.iter().map(|&x| f64::from(x)).sum::<f64>() / mask.len() as f64
}

/// The boxes of draws for 20 rows of 32×16.
fn patches(text: &str, steps: u64) -> Vec<Rect> {
    let one = |step| match drawn(text, &[0; 20], (32, 16), step) {
        Mixing::Masked { mask: Mask::Boxes(boxes), source: PatchSource::Resized, .. } => boxes,
        other => panic!("{other:?}"),
    };
    (0..steps).flat_map(one).collect()
}

#[test]
fn patches_of_resizemix() {
    let boxes = patches("resizemix: { per_sample: true }", 1000);
    // ∫ ⌊32τ⌋ · ⌊16τ⌋ dτ / 0.7 over [0.1, 0.8], by midpoints of 700 000 parts.
    let taus = (0..700_000).map(|k| 0.1 + (f64::from(k) + 0.5) * 1e-6);
    let areas: Vec<f64> = taus.map(|tau| (32.0 * tau).floor() * (16.0 * tau).floor() / 512.0).collect();
    let (mean, variance) = moments(&areas);
    let (got, spread) = moments(&boxes.iter().map(|rect| rect.area() as f64 / 512.0).collect::<Vec<_>>());
    close(got, mean, 4.0 * (variance / 20_000.0).sqrt());
    close(spread, variance, 0.002);
    // The first row by its height: c − h for the centres c = 0 … 31, not under 0 and not over 32 − tall.
    let (mut top, mut above) = (0.0, 0.0);
    for rect in &boxes {
        let (tall, wide) = (rect.bottom - rect.top, rect.right - rect.left);
        assert!(
            (3..=25).contains(&tall) && (1..=12).contains(&wide),
            "3.2 to 25.6 of 32, 1.6 to 12.8 of 16: {rect:?}"
        );
        assert!(tall.abs_diff(2 * wide) <= 1, "the aspect is the image's: {rect:?}");
        assert!(rect.bottom <= 32 && rect.right <= 16);
        let tops = (0..32i32).map(|c| (c - tall as i32 / 2).clamp(0, 32 - tall as i32));
        top += rect.top as f64 - f64::from(tops.sum::<i32>()) / 32.0;
        above += f64::from(u8::from(rect.top == 0)) - (tall / 2 + 1) as f64 / 32.0;
    }
    close(top / 20_000.0, 0.0, 0.28); // sd 10 at most: 4 sd of the mean of 20 000
    close(above / 20_000.0, 0.0, 0.0142); // sd ½ at most
    let edges = [patch((5, 1), 0.01, (0, 0)), patch((5, 1), 1.0, (4, 0))];
    assert_eq!(edges.map(|rect| (rect.top, rect.bottom, rect.right)), [(0, 1, 1), (0, 5, 1)]);
}

#[test]
fn resizemix_has_one_size_for_a_batch_and_a_place_for_each_row() {
    let boxes = patches("resizemix: {}", 1);
    let sides = |rect: &Rect| (rect.bottom - rect.top, rect.right - rect.left);
    assert!(boxes.iter().all(|rect| sides(rect) == sides(&boxes[0])), "{boxes:?}");
    assert!(boxes.iter().any(|rect| rect.top != boxes[0].top || rect.left != boxes[0].left), "{boxes:?}");
}

#[test]
fn parts_and_shapes_of_fmix() {
    for alpha in [0.2, 1.0] {
        let masks = masks(&format!("fmix: {{ alpha: {alpha}, per_sample: true }}"));
        // The part is λ but for one pixel of 1024: mean 1/2, variance 1 / (4(2α + 1)).
        let (mean, variance) = moments(&masks.iter().map(|mask| mass(mask)).collect::<Vec<_>>());
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        close(mean, 0.5, 4.0 * (expected / 2000.0f64).sqrt());
        close(variance, expected, 0.01);
        assert!(masks.iter().flatten().all(|x| *x == 0.0 || *x == 1.0));
        // No place is preferred: a pixel is the partner's half of the time.
        for pixel in [0, 17, 32 * 16 + 16, 1023] {
            let theirs: f64 = masks.iter().map(|mask| f64::from(mask[pixel])).sum::<f64>() / 2000.0;
            close(theirs, 0.5, 4.0 * 0.5 / 2000f64.sqrt());
        }
    }
    // Neighbours that differ: λ ~ U and independent pixels give 2 · E[λ(1 − λ)] = 1/3; smoother noise gives fewer.
    let borders = |decay: f64| {
        let masks = masks(&format!("fmix: {{ decay: {decay}, per_sample: true }}"));
        let differ = |mask: &Vec<f32>| {
            (0..1023).filter(|at| at % 32 < 31 && mask[*at] != mask[at + 1]).count() as f64 / (31.0 * 32.0)
        };
        masks.iter().map(differ).sum::<f64>() / 2000.0
    };
    let [none, one, three] = [0.0, 1.0, 3.0].map(borders);
    close(none, 1.0 / 3.0, 0.011); // sd of λ(1 − λ)·2 is .15: 4 sd of the mean of 2000 is .013
    assert!(one < 0.2 && three < 0.06, "{none}, {one}, {three}");
}

#[test]
fn spots_of_smoothmix() {
    let masks = masks("smoothmix: { per_sample: true }");
    // The mean over all centres and over s by 1000 midpoints; both axes are alike and independent, given s.
    let line = |s: f64, centre: i32| {
        (0..32).map(|at| (-0.5 * (f64::from(at - centre) / (32.0 * s)).powi(2)).exp()).sum::<f64>() / 32.0
    };
    let given = |s: f64| ((0..32).map(|centre| line(s, centre)).sum::<f64>() / 32.0).powi(2);
    let expected = (0..1000).map(|k| given(0.25 + (f64::from(k) + 0.5) * 0.00025)).sum::<f64>() / 1000.0;
    let (mean, variance) = moments(&masks.iter().map(|mask| mass(mask)).collect::<Vec<_>>());
    close(mean, expected, 4.0 * (variance / 2000.0).sqrt());
    // The least of any spot: σ a quarter, at a corner; the most: σ half, in the middle.
    let bounds = line(0.25, 0).powi(2) - 1e-6..=line(0.5, 16).powi(2) + 1e-6;
    assert!(masks.iter().all(|mask| bounds.contains(&mass(mask)) && mask.contains(&1.0)), "{bounds:?}");
}

#[test]
fn cells_of_gridmix() {
    let masks = masks("gridmix: { per_sample: true }");
    // The mean of 16 cells of probability 1 − λ: Var = Var λ + E[λ(1 − λ)] / 16 = 1/12 + 1/96.
    let (mean, variance) = moments(&masks.iter().map(|mask| mass(mask)).collect::<Vec<_>>());
    close(mean, 0.5, 4.0 * (variance / 2000.0).sqrt());
    close(variance, 1.0 / 12.0 + 1.0 / 96.0, 0.008);
    for mask in &masks {
        let cell = |at: usize| at / 32 / 8 * 4 + at % 32 / 8;
        let first: Vec<f32> = (0..16).map(|cell| mask[cell / 4 * 8 * 32 + cell % 4 * 8]).collect();
        assert!((0..1024).all(|at| mask[at] == first[cell(at)]), "a cell is one row's");
    }
    // A grid finer than the pixels is one cell for each.
    let Mixing::Masked { mask: Mask::Soft(fine), .. } = drawn("gridmix: { cells: 99 }", &[0; 2], (3, 2), 0)
    else {
        panic!("a soft mask")
    };
    assert_eq!((fine.len(), fine[0].len()), (1, 6));
}

#[test]
fn holes_of_gridmixup() {
    let masks = masks("gridmixup: { per_sample: true }");
    // The mean over n = 2 … 6 and 12 midpoints each of λ, area and aspect; where the rectangle lies does not matter.
    let middle = |k: i32| (f64::from(k) + 0.5) / 12.0;
    let mut expected = Vec::new();
    for (across, k) in (2..=6).flat_map(|across| (0..12i32.pow(3)).map(move |k| (across, k))) {
        let (lambda, area, aspect) = (middle(k % 12), middle(k / 12 % 12), middle(k / 144));
        let crop = gridmixup::crop((32, 32), 0.5 + 0.5 * area, 0.5 + 1.5 * aspect, (0.0, 0.0));
        expected.push(mass(&gridmixup::lattice((32, 32), crop, across, lambda)));
    }
    let (mean, variance) = moments(&expected);
    let (got, spread) = moments(&masks.iter().map(|mask| mass(mask)).collect::<Vec<_>>());
    close(got, mean, 4.0 * (variance / 2000.0).sqrt() + 0.002);
    close(spread, variance, 0.006);
    assert!(masks.iter().flatten().all(|x| *x == 0.0 || *x == 1.0));
}

/// R images of 32×32 of weak noise, with a bright disc at each of these places.
fn discs(places: &[(usize, usize)]) -> Tensor {
    let disc = |row: usize, y: usize, x: usize| {
        let (cy, cx) = places[row];
        f64::from(u8::from((y as f64 - cy as f64).hypot(x as f64 - cx as f64) < 2.5))
    };
    let place =
        (0..places.len()).flat_map(|row| (0..2 * 1024).map(move |at| disc(row, at % 1024 / 32, at % 32)));
    let shape = (places.len(), 2, 32, 32);
    let bright = Tensor::from_vec(place.collect::<Vec<_>>(), shape, &Device::Cpu).unwrap();
    (bright + (noise("discs", &[places.len(), 2, 32, 32]) * 0.1).unwrap()).unwrap()
}

/// What `docs/policies.md` says of two masks in a chain: the part of a label that is counted at another row than its pixels came
/// from, ½ Σ |share − mean of the pixels|, of two CutMix boxes on 32×32.
#[test]
fn two_boxes_miscount_a_tenth_of_a_label() {
    let text = "[ { cutmix: {}, pairing: roll }, { cutmix: {}, pairing: roll } ]";
    let (branch, rows) = (branch(text), rows(&[0, 1, 2, 3], 4));
    let eye = Tensor::eye(4, DType::F64, &Device::Cpu).unwrap().reshape((4, 4, 1, 1)).unwrap();
    let values = eye.broadcast_as((4, 4, 32, 32)).unwrap().contiguous().unwrap();
    let mut off = Vec::new();
    for step in 0..400 {
        let (out, pass) = through(&branch, &rows, step, &values);
        let (means, shares) = (flat(&out.mean((2, 3)).unwrap()), pass.shares().dense());
        for (row, said) in means.chunks(4).zip(shares.chunks(4)) {
            close(row.iter().sum(), 1.0, 1e-12);
            close(said.iter().sum(), 1.0, 1e-12);
            off.push(row.iter().zip(said).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0);
        }
    }
    let (mean, worst) = (moments(&off).0, off.into_iter().fold(0.0, f64::max));
    assert!((0.08..0.12).contains(&mean) && (0.4..0.6).contains(&worst), "{mean}, {worst}");
}

#[test]
fn nothing_is_salient_in_what_is_not_finite() {
    let values = Tensor::full(f32::NAN, (2, 1, 8, 8), &Device::Cpu).unwrap();
    let branch = branch("[ { saliencymix: {} } ]");
    let error =
        branch.begin(&rows(&[0, 1], 2), seed(0), PROGRESS).at("input", values).unwrap_err().to_string();
    assert!(error.contains("not finite"), "{error}");
}

#[test]
fn saliencymix_cuts_about_the_partners_disc() {
    let places = [(8, 9), (22, 20), (12, 24), (20, 8)];
    let values = discs(&places);
    let rows = rows(&[0, 1, 2, 3], 4);
    for form in ["spectral_residual", "input_gradient"] {
        let branch = branch(&format!("[ {{ saliencymix: {{ saliency: {form} }}, pairing: roll }} ]"));
        assert_eq!(branch.needs_input_gradient(), form == "input_gradient");
        let mut own = Vec::new();
        for step in 0..200 {
            let mut pass = branch.begin(&rows, seed(step), PROGRESS);
            if pass.needs_input_gradient() {
                pass.provide_input_gradient(values.clone());
            }
            let mixed: Vec<Vec<f64>> = {
                let painted = pass.at("input", values.clone()).unwrap();
                (0..4).map(|i| flat(&painted.get(i).unwrap())).collect()
            };
            let given: Vec<Vec<f64>> = (0..4).map(|i| flat(&values.get(i).unwrap())).collect();
            for i in 0..4 {
                let j = (i + 3) % 4;
                let share = pass.shares().dense()[i * 4 + j];
                own.push(1.0 - share);
                let pasted = |at: usize| mixed[i][at] == given[j][at] && mixed[i][at] != given[i][at];
                let (y, x) = places[j];
                // 9 of 1024 pixels: a box of 6×6 or more holds the disc's middle, if the peak is within 2 pixels of it.
                assert!(share < 36.0 / 1024.0 || pasted(y * 32 + x), "{form}, step {step}, row {i}: {share}");
                let count = (0..1024).filter(|&at| pasted(at)).count();
                close(share, count as f64 / 1024.0, 1e-12);
            }
        }
        // Near the middle hardly a box is clipped: more of the partner than CutMix's .2993 at any centre, less than a half.
        let partner = 1.0 - moments(&own).0;
        assert!((0.31..0.5).contains(&partner), "{form}: {partner}");
    }
}

#[test]
fn an_even_image_is_cut_about_its_middle() {
    use tallow_policy::saliency::{peak, smoothed, spectral_residual};
    for size in [(32, 32), (6, 6), (9, 14)] {
        let map = smoothed(&spectral_residual(&vec![0.7; size.0 * size.1], size), size);
        let (y, x) = peak(&map, size, size);
        assert!(y.abs_diff(size.0 / 2) <= 1 && x.abs_diff(size.1 / 2) <= 1, "{size:?}: {y}, {x}");
    }
}
