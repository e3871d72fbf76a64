//! Policies that change one image: one file each, with the policy's name. What two of them share is in `pixels`; what automatic
//! policies choose from, image policies themselves, in `operations`.

use crate::Result;
use tallow_data::Image;
use tallow_seed::Rng;

pub(crate) mod operations;

policies! {
    resize,
    center_crop,
    random_resized_crop,
    crop,
    center_to_border,
    field_of_view,
    flip,
    rotate,
    affine,
    perspective,
    elastic,
    color_jitter,
    photometric_distort,
    channel_permutation,
    color_constancy,
    grayscale,
    autocontrast,
    equalize,
    clahe,
    invert,
    posterize,
    solarize,
    sharpness,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    randaugment,
    trivialaugment,
    autoaugment,
    augmix,
    cutout,
    random_erasing,
    hair,
    ruler,
}

/// The random numbers of one application of an image policy, in the policy's own order.
pub type Numbers = Vec<f64>;

/// A change of one image. All randomness is in `draw`, all arithmetic in `apply`.
pub trait ImagePolicy: Send + Sync {
    /// Draws the numbers of one application to an image of `size` (width, height), both at least 1: a function of the two
    /// arguments and of nothing that is kept from before, so that a batch can be replayed.
    fn draw(&self, size: (u32, u32), rng: &mut Rng) -> Numbers;

    /// Bytes to bytes, without randomness: what golden files test.
    ///
    /// # Errors
    /// Numbers that do not fit the image.
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

    /// The same policy with `mean` (red, green, blue) in place of [`ModelInput::mean`]; `None` where that is nothing to it. Lists are
    /// read before the model's mean is known: that of its weights is in their files.
    fn filled(&self, _mean: [u8; 3]) -> Option<Box<dyn ImagePolicy>> {
        None
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
