//! Images divided by what is known of them, such as sex or age.

use crate::{Error, Predictions, Result};

/// Which subgroup each image is in.
#[derive(Clone, Debug, PartialEq)]
pub struct Subgroups {
    /// Of numbers in ascending order, else by name.
    pub names: Vec<String>,
    /// An index into the names; `None` where nothing is known.
    pub of: Vec<Option<usize>>,
}

/// So many different numbers are categories still, such as grades; more are cut.
const CATEGORIES: usize = 10;

impl Subgroups {
    /// By their values. Numbers are cut where `edges`, in ascending order, say, [e_1, e_2) … [e_k, ∞); without edges at their quartiles,
    /// where more than ten of them differ.
    ///
    /// # Errors
    /// [`Error::Argument`] for edges of values that are no numbers, or that do not ascend.
    pub fn new(values: &[Option<String>], edges: Option<&[f64]>) -> Result<Subgroups> {
        let number = |text: &String| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let known = || values.iter().flatten();
        let numbers: Option<Vec<f64>> = known().map(number).collect();
        if let Some(edges) = edges {
            if edges.is_empty()
                || edges.iter().any(|edge| !edge.is_finite())
                || edges.windows(2).any(|e| e[0] >= e[1])
            {
                return Err(Error::Argument(
                    "subgroups: expected numbers that ascend to cut at, such as 0,40,60".to_owned(),
                ));
            }
            if let Some(other) = known().find(|text| number(text).is_none()) {
                let problem = format!(
                    "subgroups: expected numbers to cut, got `{other}` – leave the cuts out for categories"
                );
                return Err(Error::Argument(problem));
            }
            return Ok(Subgroups::cut(values, edges, None));
        }
        let mut names: Vec<&String> = known().collect();
        // Numbers first, by size; then words. Equal texts are neighbours.
        let size = |text: &String| number(text).unwrap_or(f64::INFINITY);
        names.sort_by(|a, b| size(a).total_cmp(&size(b)).then_with(|| a.cmp(b)));
        names.dedup();
        if let Some(mut numbers) = numbers.filter(|_| names.len() > CATEGORIES) {
            numbers.sort_by(f64::total_cmp);
            let quantile = |q: f64| crate::resample::quantile(&numbers, q);
            let mut edges: Vec<f64> = [0.0, 0.25, 0.5, 0.75].map(quantile).to_vec();
            edges.dedup();
            return Ok(Subgroups::cut(values, &edges, numbers.last().copied()));
        }
        let place = |text: &String| names.iter().position(|name| *name == text);
        let of = values.iter().map(|value| value.as_ref().and_then(place)).collect();
        Ok(Subgroups { names: names.into_iter().cloned().collect(), of })
    }

    /// Of numbers, at the edges; `last` is the largest of them, where the last subgroup ends with it.
    fn cut(values: &[Option<String>], edges: &[f64], last: Option<f64>) -> Subgroups {
        let below = |number: f64| edges.iter().take_while(|&&edge| edge <= number).count();
        let of: Vec<Option<usize>> = values
            .iter()
            .map(|value| value.as_ref().and_then(|text| Some(below(text.parse().ok()?))))
            .collect();
        let edge = |at: usize| edges.get(at).map(|&edge| short(edge));
        let name = |at: usize| match (at.checked_sub(1).and_then(edge), edge(at), last) {
            (None, end, _) => format!("< {}", end.unwrap_or_default()),
            (Some(begin), Some(end), _) => format!("{begin} to < {end}"),
            (Some(begin), None, Some(last)) => format!("{begin} to {}", short(last)),
            (Some(begin), None, None) => format!("≥ {begin}"),
        };
        // Without those of no image.
        let filled: Vec<usize> = (0..=edges.len()).filter(|at| of.contains(&Some(*at))).collect();
        let place = |at: usize| filled.iter().position(|filled| *filled == at);
        Subgroups {
            names: filled.iter().map(|&at| name(at)).collect(),
            of: of.iter().map(|at| at.and_then(place)).collect(),
        }
    }

    /// The predictions of each subgroup with its name, then those of which nothing is known, where there are any.
    ///
    /// # Errors
    /// [`Error::Shape`] for predictions of another number of images.
    pub fn parts<'a>(&'a self, predictions: &Predictions) -> Result<Vec<(Option<&'a str>, Predictions)>> {
        if predictions.len() != self.of.len() {
            let (expected, got) = (self.of.len(), predictions.len());
            return Err(Error::Shape(format!("expected {expected} images, as are in subgroups, got {got}")));
        }
        let part = |place: Option<usize>| {
            let images: Vec<usize> = (0..self.of.len()).filter(|&image| self.of[image] == place).collect();
            predictions.only(&images)
        };
        let mut parts: Vec<_> =
            self.names.iter().enumerate().map(|(at, name)| (Some(&**name), part(Some(at)))).collect();
        if self.of.contains(&None) {
            parts.push((None, part(None)));
        }
        Ok(parts)
    }
}

/// At most three decimals, where those say anything.
fn short(number: f64) -> String {
    let rounded = (number * 1e3).round() / 1e3;
    if rounded == 0.0 { number.to_string() } else { rounded.to_string() }
}

impl Predictions {
    /// Those of some of the images. Panics where there is no such image.
    pub fn only(&self, images: &[usize]) -> Predictions {
        Predictions {
            classes: self.classes.clone(),
            ids: images.iter().filter_map(|&image| self.ids.get(image).cloned()).collect(),
            groups: images.iter().filter_map(|&image| self.groups.get(image).cloned()).collect(),
            labels: images.iter().map(|&image| self.labels[image]).collect(),
            probabilities: images.iter().flat_map(|&image| self.row(image)).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Subgroups;
    use crate::random::random;

    fn values(texts: &[&str]) -> Vec<Option<String>> {
        texts.iter().map(|text| Some((*text).to_owned()).filter(|text| !text.is_empty())).collect()
    }

    fn of(texts: &[&str], edges: Option<&[f64]>) -> (Vec<String>, Vec<Option<usize>>) {
        let found = Subgroups::new(&values(texts), edges).unwrap();
        (found.names, found.of)
    }

    #[test]
    fn categories_and_grades() {
        let (names, places) = of(&["male", "", "female", "male"], None);
        assert_eq!(
            (&names[..], &places[..]),
            (&["female", "male"].map(str::to_owned)[..], &[Some(1), None, Some(0), Some(1)][..])
        );
        assert_eq!(of(&["10", "2", "1", "2"], None).0, ["1", "2", "10"]);
        assert_eq!(of(&["", ""], None), (vec![], vec![None, None]));
    }

    #[test]
    fn one_number_written_in_two_ways_is_two_categories_and_words_come_last() {
        assert_eq!(of(&["1", "1.0", "1", "2", "1.0", "1"], None).0, ["1", "1.0", "2"]);
        assert_eq!(of(&["85+", "9", "10", "85+"], None).0, ["9", "10", "85+"]);
    }

    #[test]
    fn numbers_are_cut() {
        let ages = ["5", "39.5", "40", "60", "85", "", "-1"];
        let (names, places) = of(&ages, Some(&[0.0, 40.0, 60.0]));
        assert_eq!(names, ["< 0", "0 to < 40", "40 to < 60", "≥ 60"]);
        assert_eq!(places, [Some(1), Some(1), Some(2), Some(3), Some(3), None, Some(0)]);
        // Nobody is between 100 and 120: that is no subgroup.
        assert_eq!(of(&ages, Some(&[100.0, 120.0])).0, ["< 100"]);
        // numpy.quantile(range(1, 13), [.25, .5, .75]) = 3.75, 6.5, 9.25.
        let many: Vec<String> = (1..=12).map(|age| age.to_string()).collect();
        let (names, places) = of(&many.iter().map(|age| &**age).collect::<Vec<_>>(), None);
        assert_eq!(names, ["1 to < 3.75", "3.75 to < 6.5", "6.5 to < 9.25", "9.25 to 12"]);
        let thirds: Vec<String> = (0..13).map(|at| (f64::from(at) / 30.0).to_string()).collect();
        let (names, _) = of(&thirds.iter().map(|third| &**third).collect::<Vec<_>>(), None);
        assert_eq!(names, ["0 to < 0.1", "0.1 to < 0.2", "0.2 to < 0.3", "0.3 to 0.4"]);
        let count = |at: usize| places.iter().filter(|place| **place == Some(at)).count();
        assert_eq!([0, 1, 2, 3].map(count), [3; 4]);
    }

    #[test]
    fn cuts_that_cannot_be() {
        let error = |texts: &[&str], edges: &[f64]| {
            Subgroups::new(&values(texts), Some(edges)).unwrap_err().to_string()
        };
        assert!(error(&["1"], &[2.0, 1.0]).starts_with("subgroups: expected numbers that ascend"));
        assert!(error(&["1"], &[]).starts_with("subgroups: expected numbers that ascend"));
        assert!(
            error(&["1", "old"], &[2.0]).contains("expected numbers to cut, got `old` – leave the cuts out")
        );
    }

    #[test]
    fn every_image_is_in_one_part() {
        let p = random(6, 3, false, 1);
        let subgroups = Subgroups::new(&values(&["b", "a", "", "b", "a", "b"]), None).unwrap();
        let parts = subgroups.parts(&p).unwrap();
        let names: Vec<_> = parts.iter().map(|(name, part)| (*name, part.ids.join(""))).collect();
        assert_eq!(names, [(Some("a"), "14".into()), (Some("b"), "035".into()), (None, "2".into())]);
        assert_eq!((parts[1].1.row(2), parts[1].1.labels[1]), (p.row(5), p.labels[3]));
        assert_eq!(parts[0].1.groups[0], p.groups[1]);
        assert!(
            subgroups.parts(&random(5, 3, false, 1)).unwrap_err().to_string().contains("expected 6 images")
        );
    }
}
