//! Some rows of another dataset, perhaps with other groups or fewer classes.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{About, Broken, Dataset, Encoded, Result};

/// Rows of a dataset, in a given order.
#[derive(Clone)]
pub struct Subset {
    dataset: Arc<dyn Dataset>,
    indices: Vec<u32>,
    classes: Option<Classes>,
    groups: Option<Groups>,
    max_pixels: Option<u64>,
}

/// The classes that are left.
#[derive(Clone)]
struct Classes {
    names: Vec<String>,
    /// The label of each class of the dataset, where it is left.
    labels: Vec<Option<u32>>,
}

/// Groups in place of the dataset's own.
#[derive(Clone)]
pub(crate) struct Groups {
    /// What a group is.
    pub name: String,
    /// Where they were read from.
    pub place: String,
    /// Of each row of the dataset.
    pub of: Vec<Option<String>>,
}

impl Subset {
    /// Row i is row `indices[i]` of `dataset`. Panics if an index is out of range.
    pub fn new(dataset: Arc<dyn Dataset>, indices: Vec<u32>) -> Subset {
        let rows = dataset.len();
        assert!(indices.iter().all(|&index| (index as usize) < rows), "Subset: indices below {rows}");
        Subset { dataset, indices, classes: None, groups: None, max_pixels: None }
    }

    /// All but the broken images.
    pub fn without(dataset: Arc<dyn Dataset>, broken: &[Broken]) -> Subset {
        let dropped: HashSet<usize> = broken.iter().map(|image| image.index).collect();
        let kept = (0..dataset.len()).filter(|index| !dropped.contains(index)).map(|index| index as u32);
        let indices = kept.collect();
        Subset::new(dataset, indices)
    }

    /// The images of those classes of the dataset that `is_kept`, in its order; labels count the classes that are left.
    pub fn of_classes(dataset: Arc<dyn Dataset>, is_kept: impl Fn(&str) -> bool) -> Subset {
        let mut classes = Classes { names: Vec::new(), labels: Vec::new() };
        for name in dataset.classes() {
            let label = is_kept(name).then_some(classes.names.len() as u32);
            classes.labels.push(label);
            classes.names.extend(label.map(|_| name.clone()));
        }
        let rows = 0..dataset.len() as u32;
        let indices =
            rows.filter(|&row| classes.labels[dataset.label(row as usize) as usize].is_some()).collect();
        Subset { classes: Some(classes), ..Subset::new(dataset, indices) }
    }

    /// The whole dataset with other groups.
    pub(crate) fn grouped(dataset: Arc<dyn Dataset>, groups: Groups) -> Subset {
        let indices = (0..dataset.len() as u32).collect();
        Subset { groups: Some(groups), ..Subset::new(dataset, indices) }
    }

    /// The whole dataset with another limit of pixels.
    pub fn limited(dataset: Arc<dyn Dataset>, max_pixels: u64) -> Subset {
        let indices = (0..dataset.len() as u32).collect();
        Subset { max_pixels: Some(max_pixels), ..Subset::new(dataset, indices) }
    }

    /// Where each row is in the dataset it was taken from.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

impl Dataset for Subset {
    fn classes(&self) -> &[String] {
        self.classes.as_ref().map_or(self.dataset.classes(), |classes| &classes.names)
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn label(&self, index: usize) -> u32 {
        let label = self.dataset.label(self.indices[index] as usize);
        match &self.classes {
            Some(classes) => classes.labels[label as usize].expect("rows of other classes are left out"),
            None => label,
        }
    }

    fn group(&self, index: usize) -> Option<&str> {
        let row = self.indices[index] as usize;
        match &self.groups {
            Some(groups) => groups.of[row].as_deref(),
            None => self.dataset.group(row),
        }
    }

    fn group_name(&self) -> Option<&str> {
        self.groups.as_ref().map_or(self.dataset.group_name(), |groups| Some(&groups.name))
    }

    fn place(&self) -> Option<&str> {
        self.dataset.place()
    }

    fn group_place(&self) -> Option<&str> {
        self.groups.as_ref().map_or(self.dataset.group_place(), |groups| Some(&groups.place))
    }

    fn id(&self, index: usize) -> &str {
        self.dataset.id(self.indices[index] as usize)
    }

    fn about(&self, index: usize) -> Result<Option<About>> {
        self.dataset.about(self.indices[index] as usize)
    }

    fn length(&self, index: usize) -> Result<Option<u64>> {
        self.dataset.length(self.indices[index] as usize)
    }

    fn image(&self, index: usize) -> Result<Encoded> {
        self.dataset.image(self.indices[index] as usize)
    }

    fn max_pixels(&self) -> u64 {
        self.max_pixels.unwrap_or_else(|| self.dataset.max_pixels())
    }
}
