//! Some rows of another dataset.

use std::sync::Arc;

use crate::{Broken, Dataset, Encoded, Result};

/// Rows of a dataset, in a given order.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<u32>,
}

impl Subset {
    /// Row i is row `indices[i]` of `dataset`. Panics if an index is out of range.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<u32>) -> Subset {
        let rows = dataset.len();
        assert!(indices.iter().all(|&index| (index as usize) < rows), "Subset: indices below {rows}");
        Subset { dataset, indices }
    }

    /// All but the broken images.
    pub fn without(dataset: Arc<dyn Dataset>, broken: &[Broken]) -> Subset {
        let dropped: std::collections::HashSet<usize> = broken.iter().map(|image| image.index).collect();
        let kept = (0..dataset.len()).filter(|index| !dropped.contains(index)).map(|index| index as u32);
        let indices = kept.collect();
        Subset::new(dataset, indices)
    }

    /// Where each row is in the dataset it was taken from.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Dataset for Subset {
    fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn label(&self, index: usize) -> u32 {
        self.dataset.label(self.indices[index] as usize)
    }

    fn group(&self, index: usize) -> Option<&str> {
        self.dataset.group(self.indices[index] as usize)
    }

    fn group_name(&self) -> Option<&str> {
        self.dataset.group_name()
    }

    fn place(&self) -> Option<&str> {
        self.dataset.place()
    }

    fn group_place(&self) -> Option<&str> {
        self.dataset.group_place()
    }

    fn id(&self, index: usize) -> &str {
        self.dataset.id(self.indices[index] as usize)
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        self.dataset.image(self.indices[index] as usize)
    }
}
