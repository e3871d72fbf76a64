//! Images that are no images of the kind: of one colour, tiny, or far from all others in a simple measure.

use super::look::Look;

/// A standard deviation of grey levels below which an image is of one colour.
pub const CONSTANT: f32 = 2.0;

/// Pixels of the shorter side below which an image is tiny, or a quarter of the median.
pub const TINY: u32 = 16;

/// Distance from the median, in robust standard deviations (1.4826 times the median distance), beyond which an image is an outlier.
pub const FAR: f64 = 8.0;

type Measured = (&'static str, fn(&Look) -> f64, f64);

/// What is measured, and the least that counts as a standard deviation.
const MEASURES: [Measured; 5] = [
    ("brightness", |look| look.measures.brightness.into(), 4.0),
    ("contrast", |look| look.measures.contrast.into(), 3.0),
    ("colour", |look| look.measures.colour.into(), 3.0),
    ("detail", |look| look.measures.detail.into(), 1.0),
    ("width to height", |look| f64::from(look.width) / f64::from(look.height.max(1)), 0.05),
];

/// (index, why), in order; an image is named once.
pub fn odd(looks: &[Option<&Look>]) -> Vec<(usize, String)> {
    let there = || looks.iter().flatten();
    let median_side = median(there().map(|look| f64::from(look.shorter_side())).collect());
    let usual: Vec<(f64, f64)> = MEASURES
        .iter()
        .map(|(_, measure, least)| {
            let middle = median(there().map(|look| measure(look)).collect());
            let spread = median(there().map(|look| (measure(look) - middle).abs()).collect());
            (middle, (1.4826 * spread).max(*least))
        })
        .collect();
    let why = |look: &Look| {
        if look.measures.contrast < CONSTANT {
            return Some(format!("of one colour: contrast {:.1}", look.measures.contrast));
        }
        let side = look.shorter_side();
        if side < TINY.min(median_side as u32) || f64::from(side) < median_side / 4.0 {
            return Some(format!("tiny: {} by {}, median side {median_side:.0}", look.width, look.height));
        }
        let far = MEASURES.iter().zip(&usual).map(|((name, measure, _), (middle, deviation))| {
            (*name, measure(look), *middle, (measure(look) - middle).abs() / deviation)
        });
        let (name, value, middle, distance) = far.max_by(|a, b| a.3.total_cmp(&b.3)).expect("some measures");
        (distance > FAR).then(|| {
            format!("an outlier: {name} {value:.1}, median {middle:.1}, {distance:.0} deviations away")
        })
    };
    let named = looks.iter().enumerate().filter_map(|(index, look)| Some((index, why((*look)?)?)));
    named.collect()
}

/// 0 of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

#[cfg(test)]
mod tests {
    use super::super::look::Measures;
    use super::*;

    fn look(width: u32, brightness: f32, contrast: f32) -> Look {
        let measures = Measures { brightness, contrast, colour: 50.0, detail: 5.0 };
        Look { width, height: 100, content: 0, pixels: 0, measures, small: Box::new([]) }
    }

    #[test]
    fn what_is_unlike_the_rest_is_named_with_its_reason() {
        let mut looks: Vec<Look> =
            (0..50).map(|at| look(100 + at % 3, 100.0 + 0.3 * at as f32, 40.0)).collect();
        looks.push(look(100, 120.0, 1.0));
        looks.push(look(20, 120.0, 40.0));
        looks.push(look(100, 255.0, 40.0));
        looks.push(look(200, 120.0, 40.0));
        let seen: Vec<Option<&Look>> = [None].into_iter().chain(looks.iter().map(Some)).collect();
        let found = odd(&seen);
        let reasons: Vec<(usize, &str)> = found.iter().map(|(at, why)| (*at, why.as_str())).collect();
        assert_eq!(
            reasons,
            [
                (51, "of one colour: contrast 1.0"),
                (52, "tiny: 20 by 100, median side 100"),
                (53, "an outlier: brightness 255.0, median 108.1, 24 deviations away"),
                (54, "an outlier: width to height 2.0, median 1.0, 20 deviations away"),
            ]
        );
        assert!(odd(&[None]).is_empty());
        // Small pictures are no fault where all are small.
        let digits: Vec<Look> = (0..9).map(|_| Look { height: 8, ..look(8, 100.0, 40.0) }).collect();
        assert!(odd(&digits.iter().map(Some).collect::<Vec<_>>()).is_empty());
    }
}
