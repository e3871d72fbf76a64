//! A group, such as a lesion of several images, as one.

use std::collections::HashMap;

use crate::{Error, Predictions, Result};

impl Predictions {
    /// One row for each group, in the order of their first images: its probabilities are the arithmetic mean of those of its images, its id
    /// is its name. An image without a group stays as it is. With each row the images that it is of.
    ///
    /// # Errors
    /// What [`Predictions::validate`] finds; [`Error::Row`] for a group whose images have several labels, which it names.
    pub fn averaged_by_group(&self) -> Result<(Predictions, Vec<Vec<usize>>)> {
        self.validate()?;
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut of_group: HashMap<&str, usize> = HashMap::new();
        for index in 0..self.len() {
            let group = self.group(index);
            let place = group.map_or(rows.len(), |group| *of_group.entry(group).or_insert(rows.len()));
            if place == rows.len() {
                rows.push(Vec::new());
            }
            rows[place].push(index);
        }
        let mut averaged = Predictions::new(&self.classes);
        for images in &rows {
            let (first, group) = (images[0], self.group(images[0]));
            let id = group.unwrap_or(self.id(first));
            let label = self.labels[first];
            if images.iter().any(|&image| self.labels[image] != label) {
                return Err(self.several_labels(id, images));
            }
            let mean = |class: usize| {
                images.iter().map(|&image| self.row(image)[class]).sum::<f64>() / images.len() as f64
            };
            // Of probabilities near 1 the mean may be a rounding above it.
            let row: Vec<f64> = (0..self.classes.len()).map(|class| mean(class).min(1.0)).collect();
            averaged.push(id, group, label, &row)?;
        }
        Ok((averaged, rows))
    }

    fn several_labels(&self, group: &str, images: &[usize]) -> Error {
        let count =
            |class: &usize| images.iter().filter(|&&image| self.labels[image] as usize == *class).count();
        let labels: Vec<String> = (0..self.classes.len())
            .filter(|class| count(class) > 0)
            .map(|class| format!("{} ({})", self.classes[class], count(&class)))
            .collect();
        let problem = format!(
            "expected images of one label in a group, got {} – correct the labels, or count images, not groups",
            labels.join(", ")
        );
        Error::Row { id: group.to_owned(), problem }
    }
}

#[cfg(test)]
mod tests {
    use crate::Predictions;

    fn predictions() -> Predictions {
        let mut p = Predictions::new(&["a", "b", "c"].map(str::to_owned));
        p.push("1", Some("x"), 0, &[0.5, 0.25, 0.25]).unwrap();
        p.push("2", None, 1, &[0.0, 1.0, 0.0]).unwrap();
        p.push("3", Some("y"), 2, &[0.25, 0.0, 0.75]).unwrap();
        p.push("4", Some("x"), 0, &[0.0, 0.75, 0.25]).unwrap();
        p.push("5", None, 1, &[1.0, 0.0, 0.0]).unwrap();
        p
    }

    #[test]
    fn the_images_of_a_group_are_averaged() {
        let (averaged, rows) = predictions().averaged_by_group().unwrap();
        assert_eq!(averaged.ids, ["x", "2", "y", "5"]);
        assert_eq!(averaged.groups, [Some("x"), None, Some("y"), None].map(|group| group.map(str::to_owned)));
        assert_eq!((&averaged.labels[..], averaged.row(0)), (&[0, 1, 2, 1][..], &[0.25, 0.5, 0.25][..]));
        assert_eq!(averaged.row(2), predictions().row(2));
        assert_eq!(rows, [vec![0, 3], vec![1], vec![2], vec![4]]);
        // It is one of its own: averaging again changes nothing.
        assert_eq!(averaged.averaged_by_group().unwrap().0, averaged);
    }

    #[test]
    fn a_group_of_two_labels_is_named_with_them() {
        let mut p = predictions();
        p.push("6", Some("x"), 2, &[0.0, 0.0, 1.0]).unwrap();
        assert_eq!(
            p.averaged_by_group().unwrap_err().to_string(),
            "predictions of `x`: expected images of one label in a group, got a (2), c (1) – correct the labels, or count images, not groups"
        );
    }
}
