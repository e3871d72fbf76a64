//! What policies do with pixels, and share: resampling, affine maps, convolution, colour, regions, strokes. No policy
//! stands here and nothing is drawn; of YAML only the names of filters and borders are read.

pub(crate) mod affine_map;
pub(crate) mod colour;
pub(crate) mod convolution;
pub(crate) mod fourier;
pub(crate) mod gaussian;
pub(crate) mod jpeg_codec;
pub(crate) mod lab;
pub(crate) mod region;
pub(crate) mod resample;
pub mod saliency;
pub(crate) mod stroke;
