//! The numbers of steps, which stay where they were computed until somebody reads them.

use super::branch_gradients::{BranchStep, MixStep};
use crate::Result;
use candle_core::{DType, Tensor};

/// What the branches of a step gave, in their order.
pub struct Numbers(pub Vec<BranchNumbers>);

/// What a branch gave to a step: [`BranchStep`], before its numbers are read.
pub struct BranchNumbers {
    /// Its place in the recipe.
    pub index: usize,
    pub weight: f64,
    /// Scalars: of each micro-batch its share of the step's loss.
    pub losses: Vec<Tensor>,
    /// A scalar.
    pub gradient_norm: Option<Tensor>,
    pub targets: Vec<f64>,
    pub mixes: Vec<MixStep>,
}

/// The numbers of a step on the host.
pub struct Read {
    /// Σ branches weight · mean loss over the branch's rows.
    pub loss: f64,
    pub branches: Vec<BranchStep>,
}

/// The numbers of these steps: one read for all of them. They are added here, whenever that is.
///
/// # Errors
/// Those of the device.
pub fn read(steps: Vec<Numbers>) -> Result<Vec<Read>> {
    let branches = || steps.iter().flat_map(|step| &step.0);
    let scalars: Vec<&Tensor> =
        branches().flat_map(|branch| branch.losses.iter().chain(&branch.gradient_norm)).collect();
    let mut values = values(&scalars)?.into_iter();
    let mut value = || values.next().expect("as many as there are scalars");
    let read = |Numbers(branches): Numbers| {
        let mut sum = 0.0;
        let branches = branches.into_iter().map(|branch| {
            let BranchNumbers { index, weight, losses, gradient_norm, targets, mixes } = branch;
            let mut own = 0.0;
            for _ in losses {
                let part = value();
                own += part;
                sum += part;
            }
            let gradient_norm = gradient_norm.map(|_| value());
            BranchStep { branch: index, loss: own / weight, gradient_norm, targets, mixes }
        });
        Read { branches: branches.collect(), loss: sum }
    };
    Ok(steps.into_iter().map(read).collect())
}

/// Scalars on the host, in f64; what a device holds comes at once, in f32.
fn values(scalars: &[&Tensor]) -> candle_core::Result<Vec<f64>> {
    let on_device: Vec<&&Tensor> = scalars.iter().filter(|scalar| !scalar.device().is_cpu()).collect();
    let parts = on_device.iter().map(|scalar| scalar.to_dtype(DType::F32)?.reshape(1));
    let parts = parts.collect::<candle_core::Result<Vec<_>>>()?;
    let came = if parts.is_empty() { Vec::new() } else { Tensor::cat(&parts, 0)?.to_vec1::<f32>()? };
    let mut came = came.into_iter();
    let value = |scalar: &&Tensor| match scalar.device().is_cpu() {
        true => scalar.to_dtype(DType::F64)?.to_scalar::<f64>(),
        false => Ok(f64::from(came.next().expect("one of each"))),
    };
    scalars.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn parts_are_added_in_their_order() -> Result<()> {
        let scalar = |value: f32| Tensor::new(value, &Device::Cpu).unwrap();
        let branch = |index: usize, weight: f64, losses: &[f32], norm: Option<f64>| BranchNumbers {
            index,
            weight,
            losses: losses.iter().map(|loss| scalar(*loss)).collect(),
            gradient_norm: norm.map(|norm| Tensor::new(norm, &Device::Cpu).unwrap()),
            targets: vec![1.0],
            mixes: Vec::new(),
        };
        // 1 + 2⁻⁵³ is 1, and 2⁻⁵³ + 2⁻⁵³ + 1 is not: parts are added one after another, from the first.
        let tiny = 2f32.powi(-53);
        let steps = vec![
            Numbers(vec![branch(0, 1.0, &[1.0, tiny, tiny], Some(0.1)), branch(2, 0.5, &[0.25], Some(3.0))]),
            Numbers(vec![branch(1, 1.0, &[tiny, tiny, 1.0], None)]),
        ];
        let read = read(steps)?;
        assert_eq!((read[0].loss, read[1].loss), (1.25, 1.0 + 2f64.powi(-52)));
        let branches: Vec<_> = read
            .iter()
            .flat_map(|read| &read.branches)
            .map(|b| (b.branch, b.loss, b.gradient_norm))
            .collect();
        assert_eq!(branches, [(0, 1.0, Some(0.1)), (2, 0.5, Some(3.0)), (1, 1.0 + 2f64.powi(-52), None)]);
        Ok(())
    }
}
