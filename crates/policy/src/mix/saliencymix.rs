//! SaliencyMix: a rectangle of the partner about its most salient place.

use super::cutmix::cut;
use super::{Inputs, Mask, Mix, MixContext, Mixing};
use crate::pixels::saliency::{Maps, peak, smoothed, spectral_residual};
use crate::schema::quantity::{Alpha, choice};
use crate::{Build, Error, Parsed, Result, Spec, parameters};
use rayon::prelude::*;
use serde_yaml::Value;
use std::collections::{BTreeMap, BTreeSet};
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "saliencymix",
    summary: "as CutMix, the rectangle about the peak of x_j's saliency: the spectral residual of the image, or the gradient ‖∂L/∂x‖ of the loss by it",
    source: "Uddin et al., SaliencyMix, ICLR 2021, arXiv 2006.01791; spectral residual of Hou, Zhang, CVPR 2007. The authors' code finds the peak of one image, with OpenCV's fine-grained saliency, and cuts every row there; here each row is cut at its own partner's peak",
    parameters: &[
        (
            "alpha",
            "1.0; from 0.001 to 1000",
            "α of the Beta distribution of 1 − area: at 1 the drawn area is uniform",
        ),
        (
            "saliency",
            "spectral_residual, or input_gradient",
            "where the peak is looked for: in the values alone, at any tap of maps; or in the gradient of a probe of the network on the unmixed batch, at `input`, a forward and a backward pass more",
        ),
        (
            "per_sample",
            "false",
            "one λ for each row in place of one for the batch; the place is each row's own in any case",
        ),
    ],
    example: "{ saliencymix: { saliency: spectral_residual } }",
    cost: "one copy of the batch, and a map of at most 64 × 64 for each row: a reading of the values and two Fourier transforms; with input_gradient a forward and a backward pass of the network",
    spatial: true,
    build: Build::Mix(build),
};

parameters! {
    /// x̂_i = x_j inside a rectangle about the peak of x_j's saliency and x_i outside, for the partner j of row i.
    struct SaliencyMix {
        // α = 1 and one λ per batch: the authors' code. The spectral residual costs no pass through the network.
        alpha: Alpha = Alpha(1.0),
        saliency: Saliency = Saliency::SpectralResidual,
        per_sample: bool = false,
    }
}

choice! {
    enum Saliency {
        SpectralResidual = "spectral_residual",
        InputGradient = "input_gradient",
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    Ok(Box::new(parameters::<SaliencyMix>(value)?))
}

impl Mix for SaliencyMix {
    fn inputs(&self) -> Inputs {
        match self.saliency {
            Saliency::SpectralResidual => Inputs::Values,
            Saliency::InputGradient => Inputs::InputGradient,
        }
    }

    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let size = context.maps(SPEC.name)?;
        let seen =
            if self.saliency == Saliency::InputGradient { context.input_gradient } else { context.values };
        let missing =
            || Error::Policy { policy: SPEC.name.into(), problem: "was not given what it needs".into() };
        let seen = Maps::of(seen.ok_or_else(missing)?)?;
        let lambdas: Vec<f64> =
            (0..context.draws(self.per_sample)).map(|_| rng.beta(self.alpha.0, self.alpha.0)).collect();
        let centre = |row: u32| {
            let (map, small) = match self.saliency {
                Saliency::SpectralResidual => {
                    let (mean, small) = seen.mean(row as usize)?;
                    (spectral_residual(&mean, small), small)
                }
                Saliency::InputGradient => seen.norm(row as usize)?,
            };
            Ok((row, peak(&smoothed(&map, small), small, size)))
        };
        let wanted: Vec<u32> = BTreeSet::from_iter(context.partners.iter().copied()).into_iter().collect();
        let centres: BTreeMap<u32, (usize, usize)> =
            wanted.into_par_iter().with_max_len(1).map(centre).collect::<Result<_>>()?;
        let boxes = context.partners.iter().enumerate();
        let boxes = boxes.map(|(row, &j)| cut(size, lambdas[row % lambdas.len()], centres[&j])).collect();
        Ok(context.masked(Mask::Boxes(boxes)))
    }
}
