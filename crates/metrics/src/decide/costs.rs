//! What a mistake costs.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The cost of each decision for each truth, `cost[truth][decision]`. The decision of least expected cost is best where the
/// probabilities are calibrated. Source: Elkan 2001, "The foundations of cost-sensitive learning".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Costs {
    cost: Vec<Vec<f64>>,
}

impl Costs {
    /// One row per truth, one column per decision, both in the order of the classes.
    ///
    /// # Errors
    /// [`Error::Argument`] unless it is square, of so many classes, and its numbers are finite.
    pub fn new(cost: Vec<Vec<f64>>, classes: usize) -> Result<Costs> {
        let costs = Costs { cost };
        costs.check(classes)?;
        Ok(costs)
    }

    /// Checks what was read from a file.
    ///
    /// # Errors
    /// As [`Costs::new`].
    pub fn check(&self, classes: usize) -> Result<()> {
        let cost = &self.cost;
        if cost.len() != classes || cost.iter().any(|row| row.len() != classes) {
            return Err(Error::Argument(format!(
                "costs: expected {classes} rows of {classes} numbers, by class"
            )));
        }
        match cost.iter().flatten().find(|cost| !cost.is_finite()) {
            Some(number) => Err(Error::Argument(format!("costs: expected finite numbers, got {number}"))),
            None => Ok(()),
        }
    }

    /// The decision of least Σ_truth p_truth · cost; ties go to the lowest class.
    pub fn decide(&self, row: &[f64]) -> usize {
        let expected =
            |decision: usize| row.iter().zip(&self.cost).map(|(p, cost)| p * cost[decision]).sum::<f64>();
        let of: Vec<f64> = (0..row.len()).map(expected).collect();
        (1..of.len()).fold(0, |best, decision| if of[decision] < of[best] { decision } else { best })
    }

    /// What a decision costs where the truth is known.
    pub fn of(&self, truth: usize, decision: usize) -> f64 {
        self.cost[truth][decision]
    }
}

#[cfg(test)]
mod tests {
    use super::Costs;

    #[test]
    fn a_dear_miss_is_called_early() {
        // A missed melanoma costs ten false alarms: called from 1/11 on.
        let costs = Costs::new(vec![vec![0.0, 1.0], vec![10.0, 0.0]], 2).unwrap();
        assert_eq!([0.08, 0.1].map(|p| costs.decide(&[1.0 - p, p])), [0, 1]);
        let equal = Costs::new(vec![vec![0.0, 1.0], vec![1.0, 0.0]], 2).unwrap();
        assert_eq!(equal.decide(&[0.5, 0.5]), 0);
        assert_eq!((costs.of(1, 0), costs.of(0, 1)), (10.0, 1.0));
    }

    #[test]
    fn odd_shapes_are_refused() {
        assert!(Costs::new(vec![vec![0.0, 1.0]], 2).is_err());
        assert!(Costs::new(vec![vec![0.0, f64::NAN], vec![1.0, 0.0]], 2).is_err());
    }
}
