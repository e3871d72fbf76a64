//! What policies do with pixels, and share: resampling, affine maps, convolution, colour, regions, strokes, the operations of
//! automatic policies. No policy stands here, nothing is read from YAML but names, and nothing is drawn but where `rng` says so.

/// An enum whose variants are numbered in the order written, and `ALL`: each at its number.
macro_rules! numbered {
    ($(#[$attribute:meta])* $visibility:vis enum $type:ident { $($(#[$of_variant:meta])* $variant:ident),* $(,)? }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $visibility enum $type {
            $($(#[$of_variant])* $variant,)*
        }

        impl $type {
            $visibility const ALL: &'static [$type] = &[$($type::$variant),*];
        }
    };
}

pub(crate) mod affine_map;
pub(crate) mod colour;
pub(crate) mod convolution;
pub(crate) mod fourier;
pub(crate) mod gaussian;
pub(crate) mod jpeg_codec;
pub(crate) mod operations;
pub(crate) mod region;
pub(crate) mod resample;
pub mod saliency;
pub(crate) mod stroke;
pub(crate) mod timm_operations;
