//! Features that died: channels with one value, whatever the image.

use super::evaluate::values;
use crate::Result;
use crate::run::Model;
use candle_core::{DType, Tensor};
use std::sync::Arc;
use tallow_data::{Dataset, Subset};
use tallow_models::Mode;
use tallow_report::Progress;

/// So many images are looked at, evenly over the dataset.
const IMAGES: usize = 64;
/// Of these channels of a stage, at least, for it to be told: networks that are right have some, under strong decay many.
const SHARE: f64 = 0.9;
/// Fewer may well be alike.
const FEW: usize = 16;

/// The least and the largest value of each channel at a tap, of the images so far.
struct Ranges {
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Ranges {
    /// Of values (R, C, H, W), (R, L, C) or (R, C).
    fn of(values: &Tensor) -> candle_core::Result<Ranges> {
        let channels = if values.rank() == 4 { 1 } else { values.rank() - 1 };
        let rows = values.transpose(0, channels)?.flatten_from(1)?.to_dtype(DType::F32)?;
        Ok(Ranges { low: rows.min(1)?.to_vec1()?, high: rows.max(1)?.to_vec1()? })
    }

    fn widen(&mut self, other: &Ranges) {
        self.low.iter_mut().zip(&other.low).for_each(|(low, other)| *low = low.min(*other));
        self.high.iter_mut().zip(&other.high).for_each(|(high, other)| *high = high.max(*other));
    }

    fn constant(&self) -> usize {
        self.low.iter().zip(&self.high).filter(|(low, high)| low == high).count()
    }
}

/// Says at which stage nine of ten channels have one value for all images that were looked at, the first such stage; `None`
/// too where there are too few images to say so.
///
/// # Errors
/// Images that cannot be read; those of the ops.
pub fn dead(model: &Model, dataset: &Arc<dyn Dataset>) -> Result<Option<String>> {
    let images = dataset.len().min(IMAGES);
    if images < FEW {
        return Ok(None);
    }
    let indices = (0..images).map(|index| (index * dataset.len() / images) as u32).collect();
    let some: Arc<dyn Dataset> = Arc::new(Subset::new(dataset.clone(), indices));
    let mut stages: Vec<(String, Ranges)> = Vec::new();
    values(model, &some, "features", &Progress::hidden(), |_, values| {
        let mut place = 0;
        model.network.walk(values.clone(), &Mode::Eval, |tap, values| {
            if tap != "input" {
                let ranges = Ranges::of(&values)?;
                match stages.get_mut(place) {
                    Some((_, all)) => all.widen(&ranges),
                    None => stages.push((tap.to_owned(), ranges)),
                }
                place += 1;
            }
            Ok(values)
        })?;
        Ok::<(), crate::Error>(())
    })?;
    let of = |(_, ranges): &&(String, Ranges)| ranges.constant() as f64 >= SHARE * ranges.low.len() as f64;
    Ok(stages.iter().find(of).map(|(stage, ranges)| {
        format!(
            "dead features: {} of the {} channels at `{stage}` have one value, whatever the image (of {images} validation images)",
            ranges.constant(),
            ranges.low.len()
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::run::{Run, Start};
    use candle_core::Device;
    use tallow_policy::Registry;

    #[test]
    fn a_stage_that_died_is_named() -> Result<()> {
        let recipe = "data: { name: synthetic, images: 40, size: 16, batch: 8, workers: 0 }\n\
                      model: { name: resnet20, input: 16 }\nevaluation: [ { resize: [16, 16] } ]\noptimizer: { sgd: {} }\n\
                      schedule: { constant: { lr: 0.1 } }\nlength: 1 steps\nseed: 1\n";
        let plan = Plan::parse("dead", recipe, &Registry::builtin())?;
        let run = Run::build(plan, Start::Recipe, &Progress::hidden())?;
        let (model, data) = (&run.model, &run.data.train);
        assert_eq!(dead(model, data)?, None);
        // max(shortcut + bias, 0) of the last block is 0 wherever its bias is far below 0.
        let bias = model.params.trainable["layer3.2.bn2.bias"].var();
        let set = |count: usize| {
            let values: Vec<f32> = (0..64).map(|channel| if channel < count { -1e6 } else { 0.0 }).collect();
            bias.set(&Tensor::new(values, &Device::Cpu)?)
        };
        set(57)?;
        assert_eq!(dead(model, data)?, None);
        set(58)?;
        let said = dead(model, data)?.unwrap();
        assert!(
            said.contains("58 of the 64 channels at `stage3` have one value, whatever the image (of "),
            "{said}"
        );
        Ok(())
    }
}
