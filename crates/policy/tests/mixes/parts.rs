//! Parts of a batch that are mixed by themselves, as the shards of several machines may be.

use crate::properties::{MAPS, every};
use crate::setting::*;
use candle_core::Tensor;

#[test]
fn no_row_has_anything_of_another_part() {
    let looked = every(&[MAPS], |text, rows, step, shape| {
        if rows.len() == 1 {
            return false;
        }
        let (branch, values) = (branch(&format!("[ {{ {text} }} ]")), noise(text, shape));
        let ends = [rows.len() / 2, rows.len()];
        let begin = || branch.begin(rows, seed(step), PROGRESS).within(&ends);
        let mut pass = begin();
        if pass.needs_input_gradient() {
            pass.provide_input_gradient(noise("gradient", shape));
        }
        let mixed = pass.at("input", values.clone()).unwrap();
        assert_eq!(mixed.dim(0).unwrap(), pass.shares().len());
        for part in 0..2 {
            let sources = if part == 0 { 0..ends[0] } else { ends[0]..ends[1] };
            let own = |&(source, _): &(u32, f64)| sources.contains(&(source as usize));
            assert!(!pass.part(part).is_empty(), "{text}");
            assert!(pass.part(part).all(|row| pass.shares().row(row).iter().all(own)), "{text}");
        }
        if begin().looks_at_values("input") {
            let refused = begin().at_part("input", 0, values.narrow(0, 0, ends[0]).unwrap()).unwrap_err();
            assert!(refused.to_string().contains("needs the "), "{refused}");
            return true;
        }
        // Each where its rows are: the same values, and what is known of all rows.
        let alone = |part: usize, from: usize, to: usize| {
            let mut own = begin();
            let mixed = own.at_part("input", part, values.narrow(0, from, to - from).unwrap()).unwrap();
            assert_eq!((own.shares(), own.record()), (pass.shares(), pass.record()));
            mixed
        };
        let alone = Tensor::cat(&[alone(0, 0, ends[0]), alone(1, ends[0], ends[1])], 0).unwrap();
        assert_eq!(flat(&alone), flat(&mixed), "{text}");
        true
    });
    assert!(looked > 1000, "{looked}");
}

#[test]
fn one_part_is_the_batch() {
    every(&[MAPS], |text, rows, step, shape| {
        let (branch, values) = (branch(&format!("[ {{ {text} }} ]")), noise(text, shape));
        let (mixed, pass) = through(&branch, rows, step, &values);
        let mut one = branch.begin(rows, seed(step), PROGRESS).within(&[rows.len()]);
        if one.needs_input_gradient() {
            one.provide_input_gradient(noise("gradient", shape));
        }
        assert_eq!(flat(&one.at("input", values).unwrap()), flat(&mixed));
        assert_eq!(one.shares(), pass.shares());
        true
    });
}

/// Two mixes, of which the first makes fewer rows: parts are those that are left.
#[test]
fn parts_follow_their_rows() {
    let text = "[ { linear: { rows: one_per_class, partners: same_class, weights: uniform_simplex } }, { mixup: {} } ]";
    let (branch, rows) = (branch(text), rows(&[0, 0, 1, 2, 2, 2, 2], 3));
    let mut pass = branch.begin(&rows, seed(3), PROGRESS).within(&[3, 7]);
    let mixed = pass.at("input", noise("parts", &[7, 4])).unwrap();
    assert_eq!((pass.part(0), pass.part(1), mixed.dim(0).unwrap()), (0..2, 2..3, 3));
    assert_eq!(pass.shares().row(2).iter().map(|(source, _)| *source).collect::<Vec<_>>(), [3, 4, 5, 6]);
}
