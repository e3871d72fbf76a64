//! The smallest input that a network can take.

use super::ModelPlan;
use crate::recipe::Node;
use candle_core::{DType, Device};
use tallow_models::{Network, Params, Stem};

/// No network of the zoo divides its input by more.
const LARGEST_STRIDE: u32 = 64;

/// Refuses a `model.input` that the network's stages divide to less than a pixel.
pub fn check_input(root: &Node, model: &ModelPlan) {
    let (spec, side) = (model.spec, model.input);
    let written = root.get("model").and_then(|node| node.get("input"));
    let Some(node) = written.filter(|_| side < LARGEST_STRIDE) else { return };
    let mut params = Params::blank(DType::F32, &Device::Cpu);
    // What else is wrong with the model is said where it is built.
    let Ok(network) = (spec.build)(&mut params, &model.options(2)) else { return };
    let Some(stride) = stride(&network) else { return };
    let takes = |side: u32| side >= stride && network.outline([3, side as usize, side as usize]).is_some();
    if takes(side) {
        return;
    }
    let least = (stride..=LARGEST_STRIDE).find(|side| takes(*side)).unwrap_or(spec.input as u32);
    let stem = model.stem.unwrap_or(spec.stem);
    let other = if spec.has_stems && stem == Stem::ImageNet {
        "write `stem: cifar` below model"
    } else {
        "take a network for small images, such as resnet20"
    };
    node.mistake(format!(
        "{side} px are too few for {}, which divides them by {stride}; write at least {least}, or {other}",
        spec.name
    ));
}

/// The side of an image over that of the network's last maps; `None` for one that has no maps.
fn stride(network: &Network) -> Option<u32> {
    const SIDE: usize = 512;
    let outline = network.outline([3, SIDE, SIDE])?;
    let maps = outline.iter().rev().find_map(|(_, outline)| match outline.shape[..] {
        [_, height, _] => Some(height),
        _ => None,
    });
    Some((SIDE / maps.filter(|height| *height > 0)?) as u32)
}
