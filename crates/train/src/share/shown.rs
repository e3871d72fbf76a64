//! The images of a report: what was predicted wrong, what was hardly decided, and where the network looked.

use crate::fit::{Folder, find};
use crate::inspect::{CamMethod, Explainer};
use crate::run::{Model, Run};
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;
use tallow_data::{Dataset, Image, Subset, decode_within};
use tallow_metrics::Predictions;
use tallow_report::{Doubt, Mistake, Mistakes, Progress, overlay};

/// Wrong predictions that the report shows.
const WORST: usize = 12;
/// Hardly decided ones.
const CLOSEST: usize = 6;

/// What the report shows of a run's predictions, with maps by the weights that they are of.
pub fn shown_of_run(run: &Run, folder: &Folder, predictions: &Predictions) -> Mistakes {
    let open = || {
        let best = find(&folder.path, "best").ok_or_else(|| {
            Error::Checkpoint(format!("{}: is missing", folder.path.join("best").display()))
        })?;
        let (device, registry) = (run.model.device.clone(), &run.plan().registry);
        Model::open_uncalibrated(&best, &[], Some(device), registry, &Progress::hidden())
    };
    let data = &run.data.validation;
    mapped(mistakes(&**data, predictions, WORST, CLOSEST, "validation"), |asked| maps(&open()?, data, asked))
}

/// The same of a network's predictions of a part of the data.
pub fn shown(model: &Model, data: &Arc<dyn Dataset>, predictions: &Predictions, part: &str) -> Mistakes {
    mapped(mistakes(&**data, predictions, WORST, CLOSEST, part), |asked| maps(model, data, asked))
}

/// With maps beside the images, by what is given for (id, class).
fn mapped(
    mut found: Mistakes,
    maps: impl FnOnce(&[(&str, &str)]) -> Result<(Vec<Image>, String)>,
) -> Mistakes {
    let asked: Vec<(&str, &str)> = found
        .worst
        .iter()
        .map(|one| (&*one.id, &*one.predicted))
        .chain(found.doubts.iter().map(|one| (&*one.id, &*one.first.0)))
        .collect();
    if asked.is_empty() {
        return found;
    }
    // Without maps a report is still a report.
    match maps(&asked) {
        Ok((maps, sentence)) => {
            found.maps = sentence;
            let places = found.worst.iter_mut().map(|one| &mut one.map);
            let places = places.chain(found.doubts.iter_mut().map(|one| &mut one.map));
            places.zip(maps).for_each(|(place, map)| *place = Some(map));
        }
        Err(error) => found.maps = format!("Without maps of where the network looked: {error}."),
    }
    found
}

/// What of each of these images, by its id, speaks for a class, laid over it; and what that is.
fn maps(model: &Model, data: &Arc<dyn Dataset>, asked: &[(&str, &str)]) -> Result<(Vec<Image>, String)> {
    let explainer = Explainer::new(model, CamMethod::GradCam, None, None)?;
    let places = places(&**data);
    let indices = asked.iter().map(|(id, _)| places[id] as u32).collect();
    let class = |name: &str| model.classes.iter().position(|class| class == name);
    let classes: Option<Vec<usize>> = asked.iter().map(|(_, name)| class(name)).collect();
    let classes = classes.ok_or_else(|| Error::Data("best has other classes than the predictions".into()))?;
    let data: Arc<dyn Dataset> = Arc::new(Subset::new(data.clone(), indices));
    let mut maps = Vec::new();
    explainer.over(&data, &classes, &Progress::hidden(), |_, explained| {
        maps.push(overlay(&explained.image, &explained.map)?);
        Ok::<(), Error>(())
    })?;
    let sentence = format!(
        "On the right of each image, as the network saw it, what of it speaks for the predicted class: Grad-CAM at {}, the brighter the \
         more. It shows where, not what, and not whether that is right.",
        explainer.tap
    );
    Ok((maps, sentence))
}

/// Where each image of a dataset is, by its id.
fn places(data: &dyn Dataset) -> HashMap<&str, usize> {
    (0..data.len()).map(|index| (data.id(index), index)).collect()
}

/// The wrong predictions, with the images of the `most` that the network was surest of; and the `closest` predictions, right or wrong,
/// of the smallest difference between the first and the second class.
fn mistakes(
    data: &dyn Dataset,
    predictions: &Predictions,
    most: usize,
    closest: usize,
    part: &str,
) -> Mistakes {
    let places = places(data);
    // A run that is resumed after its end has the predictions of that time, and perhaps other images; one that has become unreadable
    // since is no reason to lose the report.
    let image = |at: usize| {
        let stored = data.image(*places.get(&*predictions.ids[at])?).ok()?;
        decode_within(&stored, data.max_pixels()).ok()
    };
    let class = |label: u32| predictions.classes[label as usize].clone();
    let surest = |at: usize| predictions.row(at)[predictions.predicted(at) as usize];
    let all = 0..predictions.len();
    let mut wrong: Vec<usize> =
        all.clone().filter(|&at| predictions.predicted(at) != predictions.labels[at]).collect();
    wrong.sort_by(|&a, &b| surest(b).total_cmp(&surest(a)));
    let mistake = |&at: &usize| {
        Some(Mistake {
            image: image(at)?,
            map: None,
            id: predictions.ids[at].clone(),
            truth: class(predictions.labels[at]),
            predicted: class(predictions.predicted(at)),
            probability: surest(at),
            of_truth: predictions.row(at)[predictions.labels[at] as usize],
        })
    };
    let mut margins: Vec<(f64, usize, u32)> = all.filter_map(|at| margin(predictions, at)).collect();
    margins.sort_by(|a, b| a.0.total_cmp(&b.0));
    let doubt = |&(_, at, second): &(f64, usize, u32)| {
        Some(Doubt {
            image: image(at)?,
            map: None,
            id: predictions.ids[at].clone(),
            truth: class(predictions.labels[at]),
            first: (class(predictions.predicted(at)), surest(at)),
            second: (class(second), predictions.row(at)[second as usize]),
        })
    };
    Mistakes {
        part: part.to_owned(),
        wrong: wrong.len() as u64,
        images: predictions.len() as u64,
        worst: wrong.iter().filter_map(mistake).take(most).collect(),
        doubts: margins.iter().filter_map(doubt).take(closest).collect(),
        maps: String::new(),
    }
}

/// By how much the first class of a prediction is more probable than the second; its place; and the second class.
fn margin(predictions: &Predictions, at: usize) -> Option<(f64, usize, u32)> {
    let (row, first) = (predictions.row(at), predictions.predicted(at));
    let others = (0..row.len() as u32).filter(|&class| class != first);
    // The first of equals.
    let second = others.rev().max_by(|&a, &b| row[a as usize].total_cmp(&row[b as usize]))?;
    Some((row[first as usize] - row[second as usize], at, second))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_data::{Images, Row, Table};

    fn data() -> (Table, Predictions) {
        let classes = ["a", "b"].map(str::to_owned);
        let ids = ["w", "x", "y", "z"];
        let mut predictions = Predictions::new(&classes);
        for (id, label, of_b) in [("w", 0, 0.9), ("x", 0, 0.2), ("y", 1, 0.05), ("z", 0, 0.6)] {
            predictions.push(id, None, label, &[1.0 - of_b, of_b]).unwrap();
        }
        let row =
            |(at, id): (usize, &&str)| Row { id: id.to_string(), label: u32::from(at == 2), group: None };
        // In another order than the predictions.
        let rows = ids.iter().enumerate().map(row).rev().collect();
        let images = Images::Pixels { width: 1, height: 1, channels: 1, bytes: vec![3, 2, 1, 0] };
        (Table::new("a test", classes.to_vec(), None, rows, images).unwrap(), predictions)
    }

    #[test]
    fn the_surest_mistakes_come_first_with_their_images() {
        let (data, predictions) = data();
        let found = mistakes(&data, &predictions, 2, 0, "test");
        assert_eq!((found.wrong, found.images, found.doubts.len()), (3, 4, 0));
        let shown: Vec<_> =
            found.worst.iter().map(|m| (&*m.id, &*m.truth, &*m.predicted, m.image.pixels[0])).collect();
        assert_eq!(shown, [("y", "b", "a", 2), ("w", "a", "b", 0)]);
        assert_eq!((found.worst[1].probability, found.worst[0].of_truth), (0.9, 0.05));
    }

    #[test]
    fn the_smallest_margins_come_first_right_or_wrong() {
        let (data, predictions) = data();
        let found = mistakes(&data, &predictions, 0, 2, "test");
        let shown: Vec<_> = found
            .doubts
            .iter()
            .map(|d| (&*d.id, &*d.truth, &*d.first.0, &*d.second.0, d.image.pixels[0]))
            .collect();
        assert_eq!(shown, [("z", "a", "b", "a", 3), ("x", "a", "a", "b", 1)]);
        assert_eq!((found.worst.len(), found.doubts[1].second.1), (0, 0.2));
        // One class leaves nothing to choose.
        let mut one = Predictions::new(&["a".to_owned()]);
        one.push("w", None, 0, &[1.0]).unwrap();
        assert_eq!(mistakes(&data, &one, 1, 1, "test").doubts, []);
    }
}
