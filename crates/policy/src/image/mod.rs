//! Policies that change one image; one file each.

use crate::Result;
use tallow_data::Image;
use tallow_seed::Rng;

pub mod affine;
pub mod augmix;
pub mod autoaugment;
pub mod autocontrast;
pub mod center_crop;
pub mod center_to_border;
pub mod channel_permutation;
pub mod color_constancy;
pub mod color_jitter;
pub mod crop;
pub mod cutout;
pub mod elastic;
pub mod equalize;
pub mod field_of_view;
pub mod flip;
pub mod gaussian_blur;
pub mod gaussian_noise;
pub mod grayscale;
pub mod hair;
pub mod invert;
pub mod jpeg;
pub mod perspective;
pub mod photometric_distort;
pub mod posterize;
pub mod randaugment;
pub mod random_erasing;
pub mod random_resized_crop;
pub mod resize;
pub mod rotate;
pub mod ruler;
pub mod sharpness;
pub mod solarize;
pub mod trivialaugment;

/// The random numbers of one application of an image policy, in the policy's own order.
pub type Numbers = Vec<f64>;

/// A change of one image. All randomness is in `draw`, all arithmetic in `apply`.
pub trait ImagePolicy: Send + Sync {
    /// Draws the numbers of one application to an image of `size` (width, height), both at least 1: a function of the two
    /// arguments and of nothing that is kept from before, so that a batch can be replayed.
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers;

    /// Bytes to bytes, without randomness: what golden files test. An error if the numbers do not fit the image.
    fn apply(&self, image: Image, draw: &Numbers) -> Result<Image>;

    /// Size (width, height) of what leaves, from the size of what arrives; `None` where it is not known before the
    /// image is seen.
    fn output(&self, input: Option<(u32, u32)>) -> Option<(u32, u32)> {
        input
    }

    /// Whether the result depends on the draw: an evaluation should have no such policy.
    fn random(&self) -> bool {
        true
    }
}

/// What an image policy may know of the model that its images go to: the source of its defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelInput {
    /// (width, height) in pixels: the default `size` of resize and the crops.
    pub size: (u32, u32),
    /// Mean of each channel in [0, 1], subtracted at upload: 255 · mean, rounded, is the byte that becomes 0.
    pub mean: [f64; 3],
}

/// 224 × 224 pixels and the mean of ImageNet.
impl Default for ModelInput {
    fn default() -> ModelInput {
        ModelInput { size: (224, 224), mean: [0.485, 0.456, 0.406] }
    }
}

impl ModelInput {
    /// The bytes that become (almost) 0 at upload.
    pub fn mean_bytes(&self) -> [u8; 3] {
        self.mean.map(|mean| (255.0 * mean).round().clamp(0.0, 255.0) as u8)
    }
}
