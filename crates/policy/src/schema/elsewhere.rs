//! What other libraries call image policies: suggested, never accepted.

use tallow_data::Elsewhere;

/// Words of torchvision, Albumentations, MONAI, fastai, timm, Keras and MMPretrain, and what to write in their place.
pub const ELSEWHERE: &Elsewhere = &[
    (
        &[
            "horizontal_flip",
            "hflip",
            "random_horizontal_flip",
            "rand_flip",
            "random_flip",
            "mirror",
            "flip_lr",
        ],
        "`{ flip: {} }`",
    ),
    (&["vertical_flip", "vflip", "random_vertical_flip", "flip_ud"], "`{ flip: { axis: vertical } }`"),
    (
        &["random_rotation", "rand_rotate", "rotation", "rotation_range", "max_rotate", "safe_rotate"],
        "`{ rotate: 30 }` (degrees, both ways)",
    ),
    (
        &["rand_rotate90", "random_rotate90", "rotate90"],
        "flips along both axes, or `{ rotate: 180 }` (any angle)",
    ),
    (
        &[
            "brightness",
            "contrast",
            "saturation",
            "hue",
            "random_brightness_contrast",
            "rand_adjust_contrast",
            "hue_saturation_value",
            "max_lighting",
            "colorjitter",
            "colour_jitter",
        ],
        "`{ color_jitter: { brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.05 } }`",
    ),
    (&["blur", "gauss_blur", "rand_gaussian_smooth", "defocus"], "`{ gaussian_blur: {} }`"),
    (&["noise", "gauss_noise", "rand_gaussian_noise", "random_noise"], "`{ gaussian_noise: 0.05 }`"),
    (
        &["coarse_dropout", "dropout", "rand_coarse_dropout", "cut_out", "random_cutout"],
        "`{ cutout: {} }`, or `{ random_erasing: {} }`",
    ),
    (&["random_erase", "erasing", "reprob", "rand_erase"], "`{ random_erasing: {} }`"),
    (&["to_gray", "to_grey", "random_grayscale", "greyscale", "gray"], "`{ grayscale: {}, p: 0.2 }`"),
    (
        &[
            "random_affine",
            "shift_scale_rotate",
            "rand_affine",
            "translate",
            "shear",
            "width_shift_range",
            "height_shift_range",
            "shear_range",
            "zoom_range",
        ],
        "`{ affine: { degrees: 20, translate: 0.1, scale: [0.8, 1.2] } }`",
    ),
    (&["elastic_transform", "rand_2d_elastic", "grid_distortion"], "`{ elastic: {} }`"),
    (&["random_perspective", "max_warp", "warp"], "`{ perspective: {} }`"),
    (&["rand_augment", "rand_aug", "auto_aug"], "`{ randaugment: {} }`, or `{ autoaugment: {} }`"),
    (&["trivial_augment", "trivial_augment_wide"], "`{ trivialaugment: {} }`"),
    (&["random_crop", "pad_and_random_crop", "rand_spatial_crop"], "`{ crop: { size: 32, padding: 4 } }`"),
    (
        &["random_sized_crop", "random_resized_crop_and_interpolation", "rrc", "min_scale"],
        "`{ random_resized_crop: { scale: [0.5, 1.0] } }`",
    ),
    (&["jpeg_compression", "image_compression", "compression"], "`{ jpeg: [5, 30] }`"),
    (&["sharpen", "random_adjust_sharpness", "adjust_sharpness"], "`{ sharpness: [0.2, 3] }`"),
    (&["clip_limit", "adaptive_equalize", "equalize_adapthist"], "`{ clahe: {} }`"),
    (
        &["normalize", "normalise", "normalization", "rescale", "scale_intensity", "normalize_intensity"],
        "nothing; values are normalised by `model: { mean: […], std: […] }`, which are the weights' own when left out",
    ),
    (
        &[
            "to_tensor",
            "to_tensor_v2",
            "pil_to_tensor",
            "convert_image_dtype",
            "ensure_channel_first",
            "pack_inputs",
            "load_image_from_file",
            "load_image",
            "to_pil_image",
        ],
        "nothing; images are read and made tensors by themselves",
    ),
    (
        &["random_choice", "random_apply", "compose", "some_of", "sequential", "random_order"],
        "`{ one_of: [ … ] }` or `{ shuffled: [ … ] }`, or `p` beside a policy",
    ),
];
