//! Channels in another order.

use super::{ImagePolicy, ModelInput, Numbers};
use crate::pixels::region::invalid_draw;
use crate::schema::quantity::read;
use crate::{Build, Parsed, Result, Spec};
use serde::Deserialize;
use serde_yaml::Value;
use tallow_data::Image;
use tallow_seed::Rng;

pub static SPEC: Spec = Spec {
    name: "channel_permutation",
    summary: "red, green and blue in one of their six orders, drawn uniformly",
    source: "torchvision.transforms.v2.RandomChannelPermutation",
    parameters: &[],
    example: "{ channel_permutation: {} }",
    cost: "one pass",
    spatial: true,
    build: Build::Image(build),
};

/// Channel c is channel `ORDERS[drawn][c]` of the image.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Draws (which order).
struct ChannelPermutation;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {}

fn build(value: &Value, _: &ModelInput) -> Parsed<Box<dyn ImagePolicy>> {
    let Parameters {} = read(value, "order")?;
    Ok(Box::new(ChannelPermutation))
}

impl ImagePolicy for ChannelPermutation {
    fn draw(&self, _: (u32, u32), rng: &mut Rng) -> Numbers {
        vec![draw(rng)]
    }

    fn apply(&self, mut image: Image, draw: &Numbers) -> Result<Image> {
        match *draw.as_slice() {
            [order] if permute(&mut image, order) => Ok(image),
            _ => Err(invalid_draw(SPEC.name, "one order (0 to 5)", draw, &image)),
        }
    }
}

pub(crate) fn draw(rng: &mut Rng) -> f64 {
    f64::from(rng.below(ORDERS.len() as u32))
}

/// Whether there is such an order.
pub(crate) fn permute(image: &mut Image, order: f64) -> bool {
    let Some(order) = ORDERS.get(order as usize).filter(|_| order >= 0.0) else { return false };
    image.pixels.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = order.map(|c| pixel[c]));
    true
}
