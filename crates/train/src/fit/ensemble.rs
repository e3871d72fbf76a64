//! Networks asked together: the mean of their probabilities, class by class.

use super::evaluate::{forward, labels, probabilities, push};
use crate::run::Model;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::sync::Arc;
use tallow_data::{Dataset, counted};
use tallow_metrics::Predictions;
use tallow_report::Progress;

/// Networks of the same classes, each with its own evaluation transform, mean and standard deviation.
pub struct Ensemble {
    /// Of the order of its classes are all answers.
    pub first: Model,
    /// And of each class of the first, which one it is here.
    others: Vec<(Model, Vec<usize>)>,
}

impl Ensemble {
    /// One network, for now.
    pub fn of(first: Model) -> Ensemble {
        Ensemble { first, others: Vec::new() }
    }

    /// Another member, whose classes are matched by name. It is asked in batches of the first one's size, read by as many workers.
    /// Calibrations are dropped: each was fitted to one network.
    ///
    /// # Errors
    /// Other classes than the first one's.
    pub fn add(&mut self, mut other: Model) -> Result<()> {
        let (ours, theirs) = (&self.first.classes, &other.classes);
        let place = |class: &String| theirs.iter().position(|name| name == class);
        let order: Vec<usize> = ours.iter().filter_map(place).collect();
        let missing = |of: &[String], from: &[String]| {
            let names: Vec<&str> =
                of.iter().filter(|name| !from.contains(name)).map(String::as_str).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        if order.len() != ours.len() || order.len() != theirs.len() {
            return Err(Error::recipe(format!(
                "knows other classes than the first checkpoint – expected the same names; here alone: {}; there alone: {}",
                missing(theirs, ours),
                missing(ours, theirs)
            )));
        }
        other.plan.data.batch = self.first.plan.data.batch;
        other.plan.data.workers = self.first.plan.data.workers;
        (self.first.calibration, other.calibration) = (None, None);
        self.others.push((other, order));
        Ok(())
    }

    /// How many networks.
    pub fn members(&self) -> usize {
        1 + self.others.len()
    }

    /// All of them, the first one first.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        std::iter::once(&self.first).chain(self.others.iter().map(|(model, _)| model))
    }

    /// All of them, to set what is asked of each.
    pub fn models_mut(&mut self) -> impl Iterator<Item = &mut Model> {
        std::iter::once(&mut self.first).chain(self.others.iter_mut().map(|(model, _)| model))
    }

    /// [`forward`] of one network. Of several, one after another, the logarithm of the mean of their probabilities (R, C), in the
    /// order of the dataset.
    ///
    /// # Errors
    /// Those of `each`; images that cannot be read.
    pub fn forward<E: From<Error>>(
        &self,
        dataset: &Arc<dyn Dataset>,
        label: &str,
        progress: &Progress,
        mut each: impl FnMut(&[u32], &Tensor) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        if self.others.is_empty() {
            return forward(&self.first, dataset, label, progress, each);
        }
        let mut sums = vec![vec![0.0; self.first.classes.len()]; dataset.len()];
        let mut add = |model: &Model, order: &[usize], label: &str| {
            forward(model, dataset, label, progress, |indices, found| -> Result<()> {
                for (&index, row) in indices.iter().zip(probabilities(found)?) {
                    let sum = sums[index as usize].iter_mut().zip(order);
                    sum.for_each(|(sum, &class)| *sum += row[class]);
                }
                Ok(())
            })
        };
        let own: Vec<usize> = (0..self.first.classes.len()).collect();
        let others = self.others.iter().map(|(model, order)| (model, order));
        let all = std::iter::once((&self.first, &own)).chain(others);
        for (number, (model, order)) in (1..).zip(all) {
            add(model, order, &format!("{label}, {number} of {}", self.members()))?;
        }
        let members = self.members() as f64;
        let indices: Vec<u32> = (0..dataset.len() as u32).collect();
        for batch in indices.chunks(self.first.plan.data.batch) {
            let logarithm = |&index: &u32| -> Vec<f64> {
                sums[index as usize].iter().map(|sum| (sum / members).ln()).collect()
            };
            let rows: Vec<Vec<f64>> = batch.iter().map(logarithm).collect();
            each(batch, &Tensor::new(rows, &Device::Cpu).map_err(Error::from)?)?;
        }
        Ok(())
    }

    /// Predictions for every image of a dataset, in its order; classes are matched by name.
    ///
    /// # Errors
    /// Images of a class that the networks do not know, or that cannot be read; probabilities that are not finite.
    pub fn evaluate(
        &self,
        dataset: &Arc<dyn Dataset>,
        label: &str,
        progress: &Progress,
    ) -> Result<Predictions> {
        let first = &self.first;
        let labels = labels(&first.classes, &**dataset)?;
        let mut predictions = Predictions::new(&first.classes);
        self.forward(dataset, label, progress, |indices, found| {
            push(&mut predictions, first, &**dataset, &labels, indices, found)
        })?;
        Ok(predictions)
    }

    /// `an ensemble of 3 checkpoints, their probabilities averaged`; none for one network.
    pub fn describe(&self) -> Option<String> {
        let members = (self.members() > 1).then(|| counted(self.members(), "checkpoint"))?;
        Some(format!("an ensemble of {members}, their probabilities averaged"))
    }
}
