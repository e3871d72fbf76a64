//! The built-in policies: one line each, in the order that `tallow list policies` prints.

use crate::{Spec, image, mix};

/// Every policy of this crate; a test holds it and the folders `image/` and `mix/` together.
pub const BUILTIN: &[&Spec] = &[
    &image::resize::SPEC,
    &image::center_crop::SPEC,
    &image::random_resized_crop::SPEC,
    &image::crop::SPEC,
    &image::flip::SPEC,
    &image::rotate::SPEC,
    &image::affine::SPEC,
    &image::color_jitter::SPEC,
    &image::grayscale::SPEC,
    &image::autocontrast::SPEC,
    &image::equalize::SPEC,
    &image::invert::SPEC,
    &image::posterize::SPEC,
    &image::solarize::SPEC,
    &image::sharpness::SPEC,
    &image::gaussian_blur::SPEC,
    &image::gaussian_noise::SPEC,
    &image::randaugment::SPEC,
    &image::trivialaugment::SPEC,
    &image::autoaugment::SPEC,
    &image::augmix::SPEC,
    &image::cutout::SPEC,
    &image::random_erasing::SPEC,
    &mix::mixup::SPEC,
    &mix::cutmix::SPEC,
    &mix::zeta_mixup::SPEC,
    &mix::intra_class::SPEC,
];
