//! Concatenation: one side of a row, the other side of its partner.

use tallow_policy::quantity::Alpha;
use tallow_policy::{
    Build, Mask, Mix, MixContext, Mixing, Parsed, Rect, Result, Rng, Spec, Value, choice, parameters,
};

pub static SPEC: Spec = Spec {
    name: "concat",
    summary: "x_i on the first λ of the width (or height), x_j on the rest; λ ~ Beta(α, α), shares from the pixels",
    source: "Horizontal and Vertical Concat of Summers, Dinneen, Improved Mixed-Example Data Augmentation, WACV 2019; arXiv 1805.11272",
    parameters: &[
        ("axis", "horizontal, or vertical", "horizontal: side by side; vertical: one above the other"),
        ("alpha", "1.0; from 0.001 to 1000", "α of the Beta distribution: at 1 the cut is uniform"),
        ("per_sample", "false", "one cut for each row in place of one for the batch"),
    ],
    example: "{ concat: { axis: vertical, alpha: 1.0 } }",
    cost: "one copy of the batch",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    struct Concat {
        axis: Axis = Axis::Horizontal,
        alpha: Alpha = Alpha(1.0),
        per_sample: bool = false,
    }
}

choice! {
    enum Axis {
        Horizontal = "horizontal",
        Vertical = "vertical",
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<Concat>(value)?))
}

impl Mix for Concat {
    /// The partner's part is a rectangle: the engine pastes it, and counts the shares from it.
    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let (height, width) = context.maps(SPEC.name)?;
        let mut draw = || {
            let lambda = rng.beta(self.alpha.0, self.alpha.0);
            let cut = |side: usize| (lambda * side as f64).round() as usize;
            match self.axis {
                Axis::Horizontal => Rect { top: 0, bottom: height, left: cut(width), right: width },
                Axis::Vertical => Rect { top: cut(height), bottom: height, left: 0, right: width },
            }
        };
        let boxes = (0..context.draws(self.per_sample)).map(|_| draw()).collect();
        Ok(context.masked(Mask::Boxes(boxes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(concat: &Concat, rng: &mut Rng) -> Vec<Rect> {
        let context = MixContext {
            classes: &[0, 1, 1],
            groups: &[None; 3],
            n_classes: 2,
            size: Some((8, 10)),
            partners: &[1, 2, 0],
            within_group: true,
            progress: 0.0,
            values: None,
            input_gradient: None,
        };
        match concat.draw(&context, rng).unwrap() {
            Mixing::Masked { partner, mask: Mask::Boxes(boxes), .. } if partner == [1, 2, 0] => boxes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_partner_has_one_side() {
        let mut rng = tallow_policy::Seed::new(1).rng();
        let all = Concat { per_sample: true, ..Concat::default() };
        assert_eq!(boxes(&all, &mut rng).len(), 3);
        let mut shares = Vec::new();
        for _ in 0..2000 {
            let [rect] = boxes(&Concat::default(), &mut rng)[..] else { panic!("one for the batch") };
            assert_eq!((rect.top, rect.bottom, rect.right), (0, 8, 10));
            shares.push(rect.area() as f64 / 80.0);
        }
        // Uniform, rounded to tenths: mean 1/2, standard deviation of the mean √(1/12 / 2000) = 0.0065.
        let mean = shares.iter().sum::<f64>() / 2000.0;
        assert!((mean - 0.5).abs() < 0.03, "{mean}");
        let [rect] = boxes(&Concat { axis: Axis::Vertical, ..Concat::default() }, &mut rng)[..] else {
            panic!("one for the batch")
        };
        assert_eq!((rect.left, rect.right, rect.bottom), (0, 10, 8));
    }
}
