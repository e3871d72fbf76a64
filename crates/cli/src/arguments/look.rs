//! How images are asked about, and where a network looked.

use clap::Args;
use std::path::PathBuf;
use tallow_train::CamMethod;

/// Several views of an image, several networks.
#[derive(Args)]
pub struct Asking {
    /// Test-time augmentation: average the probabilities of several views of each image: as it is and mirrored (hflip), upside
    /// down too (flips), or drawn from a list of image policies, '[ { rotate: { degrees: 10 } } ]'
    #[arg(long, value_name = "hflip|flips|POLICIES")]
    pub tta: Option<String>,
    /// How many views of a list of policies, the first being the image as it is [default: 8]
    #[arg(long, value_name = "N", requires = "tta")]
    pub tta_views: Option<usize>,
    /// Another checkpoint of the same classes; the probabilities of all are averaged. May be repeated
    #[arg(long, value_name = "CHECKPOINT")]
    pub with: Vec<PathBuf>,
}

/// Maps of where a network looked.
#[derive(Args)]
pub struct Explaining {
    /// Write a PNG of each image into this folder: as the network saw it, beside what of it speaks for the predicted class
    #[arg(long, value_name = "DIR")]
    pub explain: Option<PathBuf>,
    /// What speaks for this class instead
    #[arg(long, value_name = "NAME", requires = "explain")]
    pub class: Option<String>,
    /// Where in the network [default: the last tap that has a map]
    #[arg(long, requires = "explain")]
    pub tap: Option<String>,
    /// Grad-CAM; for details Grad-CAM++ or HiResCAM
    #[arg(long, value_name = "gradcam|gradcam++|hirescam", default_value = "gradcam", requires = "explain")]
    pub method: CamMethod,
}
