//! How close the points of a class are to each other, and how far classes are from one another.

use crate::points::products;
use crate::{Error, Points, Result};

/// With μ_c the mean of the points of class c, and cos(a, b) = a·b / ‖a‖‖b‖, 0 where one of them is 0. Classes without points
/// take no part.
#[derive(Clone, Debug, PartialEq)]
pub struct Separation {
    /// One entry for each class, `None` for a class without points.
    pub classes: Vec<Option<ClassSeparation>>,
    /// For each point cos(z_i, μ_own), −1 to 1.
    pub own: Vec<f64>,
    /// For each point max_c cos(z_i, μ_c) over the other classes; NaN where there is no other.
    pub nearest_other: Vec<f64>,
    /// Mean over the points of (b − a) / max(a, b), −1 to 1: a the mean distance to the other points of its class, b the least
    /// mean distance to the points of another class; 0 for the only point of a class. NaN of a single class. scikit-learn's
    /// `silhouette_score`.
    pub silhouette: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClassSeparation {
    pub points: usize,
    /// Mean over the points of the class of cos(z_i, μ_c).
    pub cohesion: f64,
    /// Mean over the other classes of 1 − cos(μ_c, μ_other); NaN where there is none.
    pub separability: f64,
}

impl Separation {
    /// `points` (N, D) with a label each, below `classes`. O(N²·D).
    ///
    /// # Errors
    /// Another number of labels than points, a label that is no class.
    pub fn of(points: &Points, labels: &[u32], classes: usize) -> Result<Separation> {
        if labels.len() != points.len() || labels.iter().any(|&label| label as usize >= classes) {
            return Err(Error::Argument(format!(
                "separation: expected a label below {classes} for each of {} points, got {} labels",
                points.len(),
                labels.len()
            )));
        }
        let (mut sums, mut counts) = (vec![vec![0.0; points.dims()]; classes], vec![0usize; classes]);
        for (at, &label) in labels.iter().enumerate() {
            let sum = &mut sums[label as usize];
            sum.iter_mut().zip(points.row(at)).for_each(|(sum, value)| *sum += value);
            counts[label as usize] += 1;
        }
        // The direction of a sum is that of the mean.
        let present: Vec<usize> = (0..classes).filter(|&class| counts[class] > 0).collect();
        let mut own = Vec::with_capacity(labels.len());
        let mut nearest_other = Vec::with_capacity(labels.len());
        for (at, &label) in labels.iter().enumerate() {
            let to = |class: usize| cosine(points.row(at), &sums[class]);
            let others = present.iter().filter(|&&class| class != label as usize);
            own.push(to(label as usize));
            nearest_other.push(others.map(|&class| to(class)).fold(f64::NAN, f64::max));
        }
        let class = |class: usize| {
            let of_class = own.iter().zip(labels).filter(|(_, label)| **label as usize == class);
            let apart =
                present.iter().filter(|&&c| c != class).map(|&c| 1.0 - cosine(&sums[class], &sums[c]));
            (counts[class] > 0).then(|| ClassSeparation {
                points: counts[class],
                cohesion: of_class.map(|(cosine, _)| cosine).sum::<f64>() / counts[class] as f64,
                separability: apart.sum::<f64>() / (present.len() as f64 - 1.0),
            })
        };
        let silhouette = silhouette(points, labels, &counts);
        Ok(Separation { classes: (0..classes).map(class).collect(), own, nearest_other, silhouette })
    }

    /// Mean over the classes of their cohesion, −1 to 1: 1 where the points of each class lie in one direction.
    pub fn cohesion(&self) -> f64 {
        self.mean(|class| class.cohesion)
    }

    /// Mean over all pairs of classes of 1 − cos(μ_a, μ_b), 0 to 2: 0 where all classes lie in one direction.
    pub fn separability(&self) -> f64 {
        self.mean(|class| class.separability)
    }

    fn mean(&self, value: impl Fn(&ClassSeparation) -> f64) -> f64 {
        let values: Vec<f64> = self.classes.iter().flatten().map(value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let size = (dot(a, a) * dot(b, b)).sqrt();
    if size > 0.0 { (dot(a, b) / size).clamp(-1.0, 1.0) } else { 0.0 }
}

fn silhouette(points: &Points, labels: &[u32], counts: &[usize]) -> f64 {
    if counts.iter().filter(|count| **count > 0).count() < 2 {
        return f64::NAN;
    }
    // About the mean: dot products of far points lose digits.
    let points = points.clone().from(&points.mean());
    let (n, products) = (points.len(), products(&points, &points));
    let squares: Vec<f64> = (0..n).map(|at| products[at * n + at]).collect();
    let value = |at: usize| {
        let own = labels[at] as usize;
        if counts[own] == 1 {
            return 0.0;
        }
        let mut sums = vec![0.0; counts.len()];
        for (other, product) in products[at * n..(at + 1) * n].iter().enumerate() {
            let squared = if other == at { 0.0 } else { squares[at] + squares[other] - 2.0 * product };
            sums[labels[other] as usize] += squared.max(0.0).sqrt();
        }
        let mean = |class: usize| sums[class] / counts[class] as f64;
        let within = sums[own] / (counts[own] - 1) as f64;
        let others = (0..counts.len()).filter(|&class| class != own && counts[class] > 0);
        let between = others.map(mean).fold(f64::INFINITY, f64::min);
        let most = within.max(between);
        if most > 0.0 { (between - within) / most } else { 0.0 }
    };
    (0..n).map(value).sum::<f64>() / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        // Class 0: (1, 0), (0, 1), mean (½, ½); class 2: (−3, 0), alone; none of class 1.
        let points = Points::new(3, vec![1.0, 0.0, 0.0, 1.0, -3.0, 0.0]).unwrap();
        let found = Separation::of(&points, &[0, 0, 2], 3).unwrap();
        let half = 0.5f64.sqrt(); // cos 45°
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        [half, half, 1.0].iter().zip(&found.own).for_each(|(a, b)| near(*a, *b));
        // To (−3, 0): −1 and 0. From it to (½, ½): −cos 45°.
        [-1.0, 0.0, -half].iter().zip(&found.nearest_other).for_each(|(a, b)| near(*a, *b));
        assert!(found.classes[1].is_none());
        let of = |class: usize| found.classes[class].as_ref().unwrap();
        assert_eq!((of(0).points, of(2).points), (2, 1));
        near(of(0).cohesion, half);
        near(of(2).cohesion, 1.0);
        near(found.cohesion(), (half + 1.0) / 2.0);
        // One pair of classes: 1 − cos 135°.
        near(of(0).separability, 1.0 + half);
        near(found.separability(), 1.0 + half);
        // (1, 0): √2 within, 4 to the other class; (0, 1): √2 and √10; the single point: 0.
        let two = 2f64.sqrt();
        near(found.silhouette, ((4.0 - two) / 4.0 + (10f64.sqrt() - two) / 10f64.sqrt()) / 3.0);
    }

    #[test]
    fn one_class_has_no_other() {
        let points = Points::new(2, vec![1.0, 2.0]).unwrap();
        let found = Separation::of(&points, &[1, 1], 2).unwrap();
        assert_eq!((found.cohesion(), found.own.as_slice()), (1.0, &[1.0, 1.0][..]));
        assert!(found.separability().is_nan() && found.silhouette.is_nan());
        assert!(found.nearest_other.iter().all(|cosine| cosine.is_nan()));
        assert!(Separation::of(&points, &[0, 2], 2).unwrap_err().to_string().contains("below 2"));
        assert!(Separation::of(&points, &[0], 2).is_err());
    }

    /// `tests/golden/separation.py`: NumPy and scikit-learn.
    #[test]
    fn as_scikit_learn() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/separation/cases.json");
        let text = std::fs::read_to_string(path).expect(path);
        let cases: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(cases.len(), 3);
        for case in &cases {
            let list = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let labels: Vec<u32> = serde_json::from_value(case["labels"].clone()).unwrap();
            let classes = case["classes"].as_u64().unwrap() as usize;
            let points = Points::new(labels.len(), list("points")).unwrap();
            let found = Separation::of(&points, &labels, classes).unwrap();
            let near = |ours: f64, key: &str| {
                let theirs = case[key].as_f64().unwrap();
                assert!((ours - theirs).abs() < 1e-11, "{key}: {ours} {theirs}");
            };
            near(found.cohesion(), "cohesion");
            near(found.separability(), "separability");
            near(found.silhouette, "silhouette");
            for (ours, theirs) in found.classes.iter().zip(case["cohesion_of_classes"].as_array().unwrap()) {
                match (ours, theirs.as_f64()) {
                    (Some(ours), Some(theirs)) => assert!((ours.cohesion - theirs).abs() < 1e-11),
                    (ours, theirs) => assert!(ours.is_none() && theirs.is_none()),
                }
            }
        }
    }
}
