//! Class activation maps: which places of an image speak for a class, by the gradient of its logit at a tap.
//!
//! With activations a (C, places) at the tap, and g = ∂ logit / ∂ a in evaluation mode, a place p has
//!
//! - `gradcam`: ReLU(Σ_c w_c a_cp), w_c = mean over the places of g_c (Selvaraju et al. 2017, arXiv:1610.02391)
//! - `gradcam++`: the same, w_c = Σ_p ReLU(g_cp) · g_cp² / (2 g_cp² + g_cp³ Σ_q a_cq), for activations that are not negative
//!   (Chattopadhyay et al. 2018, arXiv:1710.11063, equation 19)
//! - `hirescam`: ReLU(Σ_c g_cp a_cp) (Draelos and Carin 2020, arXiv:2011.08891)
//!
//! Places of maps (C, H, W) are their pixels. Of sequences (tokens, C) they are the square of patches at the end; a class token before
//! them is none. Nothing here changes a network.

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor, Var};
use std::str::FromStr;
use tallow_kernels::backward;
use tallow_models::{Mode, Network, Params};

/// How a map is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CamMethod {
    #[default]
    GradCam,
    GradCamPlusPlus,
    HiResCam,
}

impl CamMethod {
    pub const ALL: [CamMethod; 3] = [CamMethod::GradCam, CamMethod::GradCamPlusPlus, CamMethod::HiResCam];

    pub fn name(self) -> &'static str {
        match self {
            CamMethod::GradCam => "gradcam",
            CamMethod::GradCamPlusPlus => "gradcam++",
            CamMethod::HiResCam => "hirescam",
        }
    }
}

impl FromStr for CamMethod {
    type Err = String;

    fn from_str(name: &str) -> std::result::Result<CamMethod, String> {
        let found = CamMethod::ALL.into_iter().find(|method| method.name() == name);
        found.ok_or_else(|| format!("expected {}", CamMethod::ALL.map(CamMethod::name).join(", ")))
    }
}

/// What one image's places at a tap say for a class: (rows, columns), row by row, at least 0.
#[derive(Clone, Debug, PartialEq)]
pub struct Cam {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f64>,
}

impl Cam {
    /// The map at the size of an image (height · width), bilinear between the centres of places, divided by its largest value; 0
    /// everywhere where no place speaks for the class.
    pub fn over(&self, width: usize, height: usize) -> Vec<f64> {
        // Where the centre of a pixel lies between two places, and how near to the second.
        let between = |pixels: usize, places: usize| -> Vec<(usize, usize, f64)> {
            let at = |pixel: usize| {
                let at = ((pixel as f64 + 0.5) * places as f64 / pixels as f64 - 0.5).max(0.0);
                let first = (at as usize).min(places - 1);
                (first, (first + 1).min(places - 1), at - first as f64)
            };
            (0..pixels).map(at).collect()
        };
        let across = between(width, self.columns);
        let mut over = Vec::with_capacity(width * height);
        for (above, below, down) in between(height, self.rows) {
            let line = |row: usize, &(left, right, share): &(usize, usize, f64)| {
                let line = &self.values[row * self.columns..(row + 1) * self.columns];
                line[left] * (1.0 - share) + line[right] * share
            };
            over.extend(across.iter().map(|at| line(above, at) * (1.0 - down) + line(below, at) * down));
        }
        let most = over.iter().copied().fold(0.0, f64::max);
        if most > 0.0 {
            over.iter_mut().for_each(|value| *value /= most);
        }
        over
    }
}

/// (rows, columns) of the places of a row of this shape; `None` where it has less than two.
fn places(row: &[usize]) -> Option<(usize, usize)> {
    let (rows, columns) = match *row {
        [_, height, width] => (height, width),
        [tokens, _] => (tokens.isqrt(), tokens.isqrt()),
        _ => return None,
    };
    (rows * columns > 1).then_some((rows, columns))
}

/// The tap to look at: the one that is asked for, else the last whose places the logits depend on. Of a ViT that is none behind the
/// last blocks, whose class token alone is read.
///
/// # Errors
/// A tap that there is not, that has no places, or none that the logits depend on.
pub fn tap(network: &Network, params: &Params, image: [usize; 3], asked: Option<&str>) -> Result<String> {
    let outline = network.outline(image).unwrap_or_default();
    let has_places =
        |tap: &&str| outline.iter().any(|(name, outline)| name == tap && places(&outline.shape).is_some());
    let taps: Vec<&str> = network.taps().into_iter().filter(has_places).collect();
    let reaches = |tap: &str| -> Result<bool> {
        let [channels, height, width] = image;
        let values = Tensor::zeros((1, channels, height, width), params.compute_dtype(), params.device())?;
        Ok(AtTap::of(network, &values, &[0], tap)?.is_reached())
    };
    let mistake = |problem: String| Err(Error::recipe(problem));
    let Some(asked) = asked else {
        for tap in taps.iter().rev().filter(|tap| **tap != "input") {
            if reaches(tap)? {
                return Ok((*tap).to_owned());
            }
        }
        let [_, height, width] = image;
        return mistake(format!("no tap has a map of more than one place at {height} by {width} pixels"));
    };
    if !network.taps().contains(&asked) {
        return mistake(format!("--tap {asked}: there is no such tap – expected one of {}", taps.join(", ")));
    }
    if !taps.contains(&asked) {
        let problem = "has no places that a map could show";
        return mistake(format!("--tap {asked}: {problem} – expected one of {}", taps.join(", ")));
    }
    if !reaches(asked)? {
        let before: Vec<&str> = taps.into_iter().take_while(|tap| *tap != asked).collect();
        let problem = "no logit depends on its places, as what follows reads the class token alone";
        return mistake(format!("--tap {asked}: {problem} – expected one of {}", before.join(", ")));
    }
    Ok(asked.to_owned())
}

/// The map of each image (R, C, H, W) for a class of its own, at a tap that has places.
///
/// # Errors
/// A tap without places; those of the ops.
pub fn cams(
    network: &Network,
    values: &Tensor,
    classes: &[usize],
    tap: &str,
    method: CamMethod,
) -> Result<Vec<Cam>> {
    let AtTap { rows, columns, activations, gradients } = AtTap::of(network, values, classes, tap)?;
    let of_image = |(a, g): (&Vec<Vec<f64>>, &Vec<Vec<f64>>)| {
        let mut values = vec![0.0; rows * columns];
        for (a, g) in a.iter().zip(g) {
            let weight = method.weight(a, g);
            let places = values.iter_mut().zip(a).zip(g);
            places.for_each(|((value, a), g)| *value += a * weight.unwrap_or(*g));
        }
        values.iter_mut().for_each(|value| *value = value.max(0.0));
        Cam { rows, columns, values }
    };
    Ok(activations.iter().zip(&gradients).map(of_image).collect())
}

impl CamMethod {
    /// Of a channel with these activations and gradients; `None` where each place has its own, the gradient.
    fn weight(self, activations: &[f64], gradients: &[f64]) -> Option<f64> {
        match self {
            CamMethod::GradCam => Some(gradients.iter().sum::<f64>() / gradients.len() as f64),
            CamMethod::GradCamPlusPlus => {
                let sum: f64 = activations.iter().sum();
                // g² / (2 g² + g³ Σ a), shortened by g².
                let positive = gradients.iter().filter(|g| **g > 0.0);
                Some(positive.map(|g| g / (2.0 + g * sum)).sum())
            }
            CamMethod::HiResCam => None,
        }
    }
}

/// Activations and their gradients, (R, C, places) both.
struct AtTap {
    rows: usize,
    columns: usize,
    activations: Vec<Vec<Vec<f64>>>,
    gradients: Vec<Vec<Vec<f64>>>,
}

impl AtTap {
    /// In evaluation mode, whose parameters are no part of the graph: it begins at the tap.
    fn of(network: &Network, values: &Tensor, classes: &[usize], tap: &str) -> Result<AtTap> {
        let mut at_tap = None;
        let logits = network.walk(values.clone(), &Mode::Eval, |here, values| {
            if here != tap {
                return Ok(values);
            }
            let var = at_tap.insert(Var::from_tensor(&values)?);
            Ok(var.as_tensor().clone())
        })?;
        let missing = |problem: String| candle_core::Error::Msg(format!("{tap}: {problem}"));
        let var = at_tap.ok_or_else(|| missing("there is no such tap".into()))?;
        let (images, known) = logits.dims2()?;
        let mut asked = vec![0f32; images * known];
        classes.iter().enumerate().for_each(|(row, class)| asked[row * known + class] = 1.0);
        let asked = Tensor::from_vec(asked, (images, known), logits.device())?.to_dtype(logits.dtype())?;
        // Evaluation mixes no images: each has the gradient of its own logit.
        let sum = (logits * asked)?.sum_all()?;
        let gradient = match backward(sum)?.remove(&var) {
            Some(gradient) => gradient,
            None => var.zeros_like()?,
        };
        let shape = &var.dims()[1..];
        let (rows, columns) =
            places(shape).ok_or_else(|| missing(format!("{shape:?} has no places for a map")))?;
        let on_host = |tensor: &Tensor| -> Result<Vec<Vec<Vec<f64>>>> {
            let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
            let of_places = match tensor.rank() {
                3 => {
                    let patches = rows * columns;
                    tensor.narrow(1, tensor.dim(1)? - patches, patches)?.transpose(1, 2)?.contiguous()?
                }
                _ => tensor.flatten_from(2)?,
            };
            Ok(of_places.to_vec3()?)
        };
        Ok(AtTap {
            rows,
            columns,
            activations: on_host(&var.as_detached_tensor())?,
            gradients: on_host(&gradient)?,
        })
    }

    fn is_reached(&self) -> bool {
        self.gradients.iter().flatten().flatten().any(|gradient| *gradient != 0.0)
    }
}

#[cfg(test)]
mod tests;
