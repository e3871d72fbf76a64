//! The presets of `policies/`, embedded: `(name, text)`.

use crate::{Mistake, Parsed, Policy, Registry};

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// Every preset, as its file is written; a test holds this list and the folder together.
        pub const PRESETS: &[(&str, &str)] = &[$(($name, include_str!(concat!(env!("TALLOW_POLICIES"), "/", $name, ".yaml")))),*];
    };
}
presets![
    "none",
    "mixup",
    "cutmix",
    "cutmix_half",
    "zeta_mixup",
    "zeta_mixup_pairs",
    "dirichlet_mixup",
    "resizemix",
    "fmix",
    "smoothmix",
    "gridmix",
    "gridmixup",
    "saliencymix",
    "saliencymix_gradient",
    "mixup_or_cutmix",
    "mixup_or_cutmix_deit",
    "mixup_or_cutmix_rsb",
    "mixup_or_cutmix_rsb_a1",
    "cutmix_zeta_mixup",
    "cutmix_or_zeta_mixup",
    "manifold_mixup",
    "intra_class",
    "mixup_intra_class",
    "synermix",
    "synermix_manifold",
];

/// The text of a preset.
pub fn preset(name: &str) -> Option<&'static str> {
    PRESETS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

impl Policy {
    /// The preset of this name, as it is embedded.
    ///
    /// # Errors
    /// An unknown name.
    pub fn preset(name: &str, registry: &Registry) -> Parsed<Policy> {
        let known = PRESETS.iter().map(|(known, _)| *known);
        let unknown = || {
            Mistake::new(
                "",
                format!("unknown preset `{name}`{}", tallow_data::listed("presets", name, known)),
            )
        };
        let text = preset(name).ok_or_else(|| vec![unknown()])?;
        let value = serde_yaml::from_str(text).map_err(|error| vec![Mistake::new("", error.to_string())])?;
        Policy::parse(name, &value, registry)
    }
}
