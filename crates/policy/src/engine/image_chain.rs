//! The image policies of a recipe at one point of the run, ready for images.

use super::image_policies::ImagePolicies;
use super::keys;
use crate::image::ImagePolicy;
use crate::image::center_crop::start;
use crate::pixels::region::{PaddingMode, crop_padded};
use crate::schema::duration::TrainingProgress;
use crate::schema::node::{Action, Node, weights};
use crate::schema::spec::{Parsed, Registry};
use crate::{Error, Result};
use serde_yaml::Value;
use std::sync::Arc;
use tallow_data::Image;
use tallow_seed::{Rng, Seed};

/// Image policies, applied in the order written. Each draws from a seed of its own: changing one moves no other.
pub struct ImageChain {
    pub(super) policies: ImagePolicies,
    pub(super) nodes: Vec<Node<Arc<dyn ImagePolicy>>>,
    pub(super) progress: TrainingProgress,
}

/// What holds for the list holds for its chains.
impl std::ops::Deref for ImageChain {
    type Target = ImagePolicies;

    fn deref(&self) -> &ImagePolicies {
        &self.policies
    }
}

impl ImageChain {
    /// [`ImagePolicies::parse`], then [`ImagePolicies::build`].
    ///
    /// # Errors
    /// Every mistake of the list.
    pub fn parse(
        value: &Value,
        registry: &Registry,
        input: (u32, u32),
        mean: [f64; 3],
    ) -> Parsed<ImageChain> {
        ImagePolicies::parse(value, registry, input).map(|policies| policies.build(mean))
    }

    /// The chain at a point of the run, every ramp at its number; the chain itself where it has no ramps and no windows.
    ///
    /// # Errors
    /// Ramps of whole numbers that, rounded, miss what holds between their ends.
    pub fn at(self: &Arc<ImageChain>, progress: &TrainingProgress) -> Result<Arc<ImageChain>> {
        if self.is_ramped() { self.policies.at(*progress).map(Arc::new) } else { Ok(self.clone()) }
    }

    /// Applies every node; node i draws from `seed.fold("image policy", i)`.
    ///
    /// # Errors
    /// An image that does not hold width · height pixels, at least one.
    pub fn run(&self, image: Image, seed: Seed) -> Result<Image> {
        let (width, height, bytes) = (image.width, image.height, image.pixels.len());
        if bytes == 0 || bytes != width as usize * height as usize * 3 {
            let problem = format!("expected {width} by {height} pixels of 3 bytes, got {bytes} bytes");
            return Err(Error::Policy { policy: "images".to_string(), problem });
        }
        let mut numbered = self.nodes.iter().zip(0..);
        numbered.try_fold(image, |image, (node, i)| {
            self.apply(node, image, &mut seed.fold(keys::IMAGE_NODE, i).rng())
        })
    }

    /// What a chain that ends in a center_crop makes of an image, but with side² crops of that size in place of the one in the
    /// middle, row by row: the k-th along a length L begins at k·(L − size) / (side − 1), rounded to even on a tie.
    ///
    /// # Errors
    /// A list that does not end in a center_crop, and an image that is smaller than a crop.
    pub fn ordered_crops(&self, image: Image, side: u32) -> Result<Vec<Image>> {
        let Some((width, height)) = self.last_crop() else {
            let problem = "expected a list that ends in center_crop".to_owned();
            return Err(Error::Policy { policy: "evaluation".to_owned(), problem });
        };
        let mut before = self.nodes[..self.nodes.len() - 1].iter();
        let image = before.try_fold(image, |image, node| self.apply(node, image, &mut Seed::new(0).rng()))?;
        if image.width < width || image.height < height {
            let problem = format!(
                "expected an image of {width} by {height} pixels or more to crop from, got {} by {}; resize it to more",
                image.width, image.height
            );
            return Err(Error::Policy { policy: "evaluation_crops".to_owned(), problem });
        }
        let start = |length: u32, size: u32, k: u32| match side {
            1 => start(length, size),
            _ => (f64::from(k * (length - size)) / f64::from(side - 1)).round_ties_even() as i64,
        };
        let crop = |at: u32| {
            let (left, top) = (start(image.width, width, at % side), start(image.height, height, at / side));
            crop_padded(image.clone(), left, top, (width, height), PaddingMode::Zero)
        };
        Ok((0..side * side).map(crop).collect())
    }

    /// A node takes its numbers in this order: whether it happens, which alternative or which order, what the policy draws.
    fn apply(&self, node: &Node<Arc<dyn ImagePolicy>>, image: Image, rng: &mut Rng) -> Result<Image> {
        if !node.during.contains(&self.progress)
            || node.p.is_some_and(|p| !rng.bernoulli(p.at(&self.progress)))
        {
            return Ok(image);
        }
        match &node.action {
            Action::Policy(policy) => {
                let draw = policy.draw((image.width, image.height), rng);
                policy.apply(image, &draw)
            }
            Action::Sequence(nodes) => {
                nodes.iter().try_fold(image, |image, node| self.apply(node, image, rng))
            }
            Action::OneOf(nodes) => {
                let chosen = rng.weighted(&weights(nodes, &self.progress));
                self.apply(&nodes[chosen], image, rng)
            }
            Action::Shuffled(nodes) => {
                let mut order = rng.permutation(nodes.len() as u32).into_iter();
                order.try_fold(image, |image, i| self.apply(&nodes[i as usize], image, rng))
            }
        }
    }
}
