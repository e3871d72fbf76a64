//! Predictions for tests.

use tallow_seed::Seed;

use crate::Predictions;

/// `images` in groups of two, with ties where `eighths`.
pub(crate) fn random(images: u32, classes: usize, eighths: bool, seed: u64) -> Predictions {
    let mut rng = Seed::new(seed).fold("random", classes as u64).rng();
    let names: Vec<String> = (0..classes).map(|class| format!("c{class}")).collect();
    let mut predictions = Predictions::new(&names);
    for index in 0..images {
        let label = rng.below(classes as u32);
        let mut alphas = vec![0.5; classes];
        alphas[label as usize] += 0.7;
        let mut row = rng.dirichlet(&alphas);
        if eighths {
            row.iter_mut().for_each(|p| *p = (*p * 8.0).floor() / 8.0);
            row[rng.below(classes as u32) as usize] += 1.0 - row.iter().sum::<f64>();
        }
        predictions.push(&index.to_string(), Some(&format!("g{}", index / 2)), label, &row).unwrap();
    }
    predictions
}

/// Two classes; `scores` are of class 1.
pub(crate) fn binary(labels: &[u32], scores: &[f64]) -> Predictions {
    let mut p = Predictions::new(&["no".to_owned(), "yes".to_owned()]);
    for (&label, &score) in labels.iter().zip(scores) {
        p.push("i", None, label, &[1.0 - score, score]).unwrap();
    }
    p
}
