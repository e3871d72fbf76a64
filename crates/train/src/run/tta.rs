//! Test-time augmentation: an evaluation looks at several views of each image and averages their probabilities.

use super::keys;
use super::model::Model;
use crate::{Error, Result};
use serde_yaml::Value;
use std::sync::Arc;
use tallow_data::Image;
use tallow_policy::{ImageChain, Seed};

/// The views of an image, made of what the evaluation transform leaves. The same for every image of its size, whatever its place among
/// others: the k-th view is drawn from the recipe's seed and k alone.
#[derive(Clone)]
pub struct Tta {
    views: Vec<(Arc<ImageChain>, Seed)>,
    /// As it was asked for.
    words: String,
}

/// Lists of the views by name: left and right exchanged; top and bottom too.
const NAMED: [(&str, &[&str]); 2] = [
    ("hflip", &["[]", "[ { flip: { p: 1 } } ]"]),
    (
        "flips",
        &[
            "[]",
            "[ { flip: { p: 1 } } ]",
            "[ { flip: { axis: vertical, p: 1 } } ]",
            "[ { flip: { p: 1 } }, { flip: { axis: vertical, p: 1 } } ]",
        ],
    ),
];

/// Views of a list of policies where no number is given.
const VIEWS: usize = 8;

impl Tta {
    /// `hflip` (2 views), `flips` (4), or a list of image policies in YAML, of which `count` views are drawn (8 by default), the first
    /// being the image as it is. Every view has the size of the evaluation.
    ///
    /// # Errors
    /// What is none of these; mistakes of the list; a list that draws nothing, or changes the size.
    pub fn parse(text: &str, count: Option<usize>, model: &Model) -> Result<Tta> {
        let mistake = |problem: String| Error::recipe(format!("--tta {text}: {problem}"));
        let named = NAMED.iter().find(|(name, _)| *name == text.trim());
        if let Some((name, lists)) = named {
            if let Some(count) = count {
                let problem = format!("has {} views – leave out --tta-views {count}", lists.len());
                return Err(mistake(problem));
            }
            let view = |list: &&str| Ok((chain(list, model).map_err(mistake)?, keys::evaluation()));
            let views = lists.iter().map(view).collect::<Result<_>>()?;
            return Ok(Tta { views, words: (*name).to_owned() });
        }
        let count = count.unwrap_or(VIEWS);
        if count < 2 {
            let problem = "is one view, the image as it is – expected 2 or more";
            return Err(Error::recipe(format!("--tta-views {count}: {problem}")));
        }
        let drawn = chain(text, model).map_err(mistake)?;
        if drawn.random().is_none() {
            let problem = "draws nothing, so that all views would be the same – expected a policy that draws, such as \
                           { rotate: { degrees: 10 } }";
            return Err(mistake(problem.to_owned()));
        }
        let plain = (chain("[]", model).map_err(mistake)?, keys::evaluation());
        let seed = |view| keys::test_view(model.plan.seed, view);
        let views = (1..count).map(|view| (drawn.clone(), seed(view)));
        Ok(Tta { views: std::iter::once(plain).chain(views).collect(), words: text.trim().to_owned() })
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.views.len()
    }

    /// As it was asked for: a name, or a list of policies.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// `4 views of each image (flips), their probabilities averaged`.
    pub fn describe(&self) -> String {
        format!("{} views of each image ({}), their probabilities averaged", self.count(), self.words)
    }

    /// The views of an image, as the evaluation transform left it.
    ///
    /// # Errors
    /// Those of the policies.
    pub fn views(&self, image: &Image) -> tallow_policy::Result<Vec<Image>> {
        self.views.iter().map(|(chain, seed)| chain.run(image.clone(), *seed)).collect()
    }
}

/// A list of policies that keeps the size of the evaluation, for a model's images.
fn chain(text: &str, model: &Model) -> std::result::Result<Arc<ImageChain>, String> {
    const EXPECTED: &str = "expected hflip, flips, or a list of image policies, such as '[ { flip: {} }, { rotate: { degrees: 10 } } ]'";
    let list: Value = serde_yaml::from_str(text).map_err(|error| format!("{error} – {EXPECTED}"))?;
    if !list.is_sequence() {
        return Err(EXPECTED.to_owned());
    }
    let side = model.plan.model.input;
    let mean = model.transforms.statistics.mean;
    let chain = ImageChain::parse(&list, &model.plan.registry, (side, side), mean);
    let chain =
        chain.map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    if chain.is_ramped() {
        return Err("a ramp or a window changes over a run, and this is after it – write a number".into());
    }
    // One that does not resize leaves images as they are stored, which have the model's size.
    let (width, height) = model.transforms.evaluation.output_size().unwrap_or((side, side));
    match chain.output_size_from(Some((width, height))) {
        Some(size) if size == (width, height) => Ok(Arc::new(chain)),
        _ => Err(format!(
            "changes the size of images, expected the {width} by {height} pixels that the evaluation leaves – end the list with \
             {{ resize: [{height}, {width}] }}, or leave out what crops"
        )),
    }
}
