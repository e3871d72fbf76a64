//! What a recipe waits for: its images or its network.

use super::super::bench;
use super::Complaint;
use crate::Result;
use crate::run::Run;
use serde::Serialize;
use tallow_data::images_per_second;

/// What takes the most of a training's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// Decoding files.
    Decoding,
    /// Image policies.
    Policies,
    Network,
}

/// How fast a recipe is here, over some batches of its first epoch. Rates are images a second.
#[derive(Clone, Debug, Serialize)]
pub struct RecipePace {
    pub device: String,
    pub batch: usize,
    pub loader_threads: usize,
    /// Files to pixels alone.
    pub decoding: f64,
    /// With the image policies.
    pub reading: f64,
    /// The steps alone.
    pub network: f64,
    /// Both at once.
    pub training: f64,
    /// Of the training's time for which the steps wait for images.
    pub waiting: f64,
    /// Of the work on an image what reading it is.
    pub share_of_reading: f64,
    pub bottleneck: Waits,
    /// Steps of an epoch, and epochs.
    pub epoch_seconds: f64,
    pub epochs: f64,
    /// Without evaluations.
    pub run_seconds: f64,
}

impl RecipePace {
    /// Reads, then trains, at most so many batches. Nothing is written.
    ///
    /// # Errors
    /// Images that cannot be read; a loss that is not finite; those of the ops.
    pub fn measure(run: &Run, batches: usize) -> Result<RecipePace> {
        let plan = run.plan();
        let rows = batches.saturating_mul(plan.data.batch);
        let decoding = images_per_second(&*run.data.train, rows, plan.data.workers)?;
        let loaded = bench::load(plan, &run.data, batches)?;
        let trained = bench::epoch(run, batches)?;
        let steps = trained.step.sum() + trained.optimizer.sum();
        let (reading, network) = (loaded.images as f64 / loaded.seconds, trained.images as f64 / steps);
        let share_of_reading = share_of_reading(reading, network);
        let training = trained.images as f64 / trained.seconds;
        let epoch_seconds = (run.length.batches_per_epoch * run.length.batch) as f64 / training;
        let epochs = run.length.steps as f64 / run.length.batches_per_epoch as f64;
        Ok(RecipePace {
            device: crate::device_name(&run.model.device),
            batch: plan.data.batch,
            loader_threads: plan.data.workers,
            decoding,
            reading,
            network,
            training,
            waiting: trained.waiting.sum() / trained.seconds,
            share_of_reading,
            bottleneck: bottleneck(decoding, reading, network, run.model.device.is_cpu()),
            epoch_seconds,
            epochs,
            run_seconds: epoch_seconds * epochs,
        })
    }

    /// What would make it faster, where reading takes much of the time.
    pub fn complaint(&self, source: (u32, u32), input: u32) -> Option<Complaint> {
        let what = match self.bottleneck {
            Waits::Network => return None,
            Waits::Decoding => "most of the time goes into decoding images",
            Waits::Policies => "most of the time goes into image policies",
        };
        let side = source.0.min(source.1);
        let remedy = if self.bottleneck == Waits::Decoding && side >= 3 * input {
            format!(
                "images of {} × {} pixels are read for a network of {input}: keep smaller copies, of a shorter side of {}",
                source.0,
                source.1,
                2 * input
            )
        } else if self.bottleneck == Waits::Decoding {
            let also = if self.device.starts_with("cpu") {
                "smaller copies of the images"
            } else {
                "a larger network, which costs nothing then"
            };
            format!("more processors, or {also}")
        } else {
            "leave out what costs most of them (`tallow list policies`), or put random_resized_crop first: what follows has fewer pixels"
                .to_owned()
        };
        Some(Complaint { what: what.to_owned(), remedy })
    }
}

/// Of the work on an image, where each of the two alone does so many a second.
fn share_of_reading(reading: f64, network: f64) -> f64 {
    network / (reading + network)
}

/// On a processor both take from the same cores; beside a GPU the slower one is waited for.
fn bottleneck(decoding: f64, reading: f64, network: f64, shares_cores: bool) -> Waits {
    let reads = if shares_cores { share_of_reading(reading, network) > 0.5 } else { reading < network };
    match reads {
        false => Waits::Network,
        // Half of the reading is decoding.
        true if decoding < 2.0 * reading => Waits::Decoding,
        true => Waits::Policies,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_and_a_gpu_waits() {
        // Reading at 300 images a second takes a quarter of the time of a network that does 100.
        assert_eq!(share_of_reading(300.0, 100.0), 0.25);
        assert_eq!(bottleneck(400.0, 300.0, 100.0, true), Waits::Network);
        assert_eq!(bottleneck(400.0, 300.0, 1000.0, true), Waits::Decoding);
        assert_eq!(bottleneck(900.0, 300.0, 1000.0, false), Waits::Policies);
        assert_eq!(bottleneck(900.0, 300.0, 200.0, false), Waits::Network);
    }

    #[test]
    fn large_files_for_a_small_network_are_a_complaint() {
        let mut pace = RecipePace {
            device: "cpu".into(),
            batch: 4,
            loader_threads: 2,
            decoding: 30.0,
            reading: 25.0,
            network: 100.0,
            training: 20.0,
            waiting: 0.5,
            share_of_reading: 0.8,
            bottleneck: Waits::Decoding,
            epoch_seconds: 1.0,
            epochs: 1.0,
            run_seconds: 1.0,
        };
        let remedy = |pace: &RecipePace, size| pace.complaint(size, 224).map(|complaint| complaint.remedy);
        assert!(
            remedy(&pace, (4000, 3000)).unwrap().contains("4000 × 3000 pixels are read for a network of 224")
        );
        assert!(remedy(&pace, (300, 300)).unwrap().contains("more processors"));
        pace.bottleneck = Waits::Network;
        assert_eq!(remedy(&pace, (4000, 3000)), None);
    }
}
