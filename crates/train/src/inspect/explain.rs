//! Images as a network saw them, and where it looked for a class.

use super::cam::{CamMethod, cams, tap};
use crate::Result;
use crate::fit::evaluate::values;
use crate::run::Model;
use candle_core::Tensor;
use std::sync::Arc;
use tallow_data::{Dataset, Image};
use tallow_report::Progress;

/// A network, and how it is asked.
pub struct Explainer<'a> {
    model: &'a Model,
    pub method: CamMethod,
    /// Where the maps are taken.
    pub tap: String,
}

/// An image, and what its pixels say for a class.
pub struct Explained {
    /// As the network saw it.
    pub image: Image,
    /// Of each pixel, row by row, from 0 to 1, which is the largest; 0 everywhere where nothing speaks for the class.
    pub map: Vec<f64>,
}

impl<'a> Explainer<'a> {
    /// At the tap that is `asked` for, else at the last that has a map of more than one place which the logits depend on; of images of
    /// `size` (height, width), else of the model's.
    ///
    /// # Errors
    /// A tap that has none.
    pub fn new(
        model: &'a Model,
        method: CamMethod,
        asked: Option<&str>,
        size: Option<(usize, usize)>,
    ) -> Result<Explainer<'a>> {
        let side = model.plan.model.input as usize;
        let (height, width) = size.unwrap_or((side, side));
        let tap = tap(&model.network, &model.params, [3, height, width], asked)?;
        Ok(Explainer { model, method, tap })
    }

    /// Normalised values (R, 3, H, W), each with the class that is asked about.
    ///
    /// # Errors
    /// Those of the ops.
    pub fn look(&self, values: &Tensor, classes: &[usize]) -> Result<Vec<Explained>> {
        let cams = cams(&self.model.network, values, classes, &self.tap, self.method)?;
        let images = self.model.transforms.statistics.download(values)?;
        let explained = |(image, cam): (Image, super::cam::Cam)| Explained {
            map: cam.over(image.width as usize, image.height as usize),
            image,
        };
        Ok(images.into_iter().zip(cams).map(explained).collect())
    }

    /// All images of a dataset under the evaluation transform, in its order, each with the class that is asked about.
    ///
    /// # Errors
    /// Those of `each`; images that cannot be read.
    pub fn over<E: From<crate::Error>>(
        &self,
        dataset: &Arc<dyn Dataset>,
        classes: &[usize],
        progress: &Progress,
        mut each: impl FnMut(usize, Explained) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        values(self.model, dataset, "maps", progress, |indices, values| {
            let asked: Vec<usize> = indices.iter().map(|&index| classes[index as usize]).collect();
            let explained = self.look(values, &asked)?;
            indices.iter().zip(explained).try_for_each(|(&index, explained)| each(index as usize, explained))
        })
    }
}
