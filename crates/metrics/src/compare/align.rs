//! Runs side by side: the same image in the same place.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::{Error, Predictions, Result};

/// How many names a message has.
const NAMES: usize = 3;

/// The runs with images and classes in the order of the first, and with its groups, those that it lacks being taken from
/// the others.
///
/// # Errors
/// What [`Predictions::validate`] finds; [`Error::Shape`] where runs differ in images, labels, groups or the names of classes.
pub fn aligned<'a>(runs: &[&'a Predictions]) -> Result<Vec<Cow<'a, Predictions>>> {
    let (first, others) = runs.split_first().expect("at least one run");
    first.validate()?;
    let places = places(first)?;
    let mut aligned = vec![Cow::Borrowed(*first)];
    for run in others {
        run.validate()?;
        let classes = classes(first, run)?;
        let order = order(first, run, &places)?;
        let as_it_is = |order: &[usize]| order.iter().enumerate().all(|(at, &from)| at == from);
        aligned.push(if as_it_is(&classes) && as_it_is(&order) {
            Cow::Borrowed(*run)
        } else {
            Cow::Owned(reordered(run, &classes, &order))
        });
    }
    let groups = groups(&aligned)?;
    if aligned[0].groups != groups {
        aligned[0].to_mut().groups = groups;
    }
    Ok(aligned)
}

fn shape<T>(problem: String) -> Result<T> {
    Err(Error::Shape(problem))
}

/// Where each image is.
fn places(run: &Predictions) -> Result<HashMap<&str, usize>> {
    if run.ids.is_empty() && !run.is_empty() {
        return shape("the images have no ids; expected ids to match them by".to_owned());
    }
    let places: HashMap<&str, usize> = run.ids.iter().enumerate().map(|(at, id)| (&**id, at)).collect();
    if places.len() < run.len() {
        let twice = run.ids.iter().enumerate().filter(|(at, id)| places[&***id] != *at).map(|(_, id)| &**id);
        return shape(format!("images are there twice, {}; expected different ids", named(twice)));
    }
    Ok(places)
}

/// For each class of `first` its place in `run`.
fn classes(first: &Predictions, run: &Predictions) -> Result<Vec<usize>> {
    let place = |class| run.classes.iter().position(|other| other == class);
    match first.classes.iter().map(place).collect::<Option<Vec<_>>>() {
        Some(places) if run.classes.len() == places.len() => Ok(places),
        _ => shape(format!(
            "the runs differ in classes: {} and {}; evaluate both on the same data",
            first.classes.join(", "),
            run.classes.join(", ")
        )),
    }
}

/// For each image of `first` its place in `run`.
fn order(first: &Predictions, run: &Predictions, places: &HashMap<&str, usize>) -> Result<Vec<usize>> {
    let in_run = self::places(run)?;
    let ours = first.ids.iter().map(|id| &**id).filter(|id| !in_run.contains_key(id));
    let theirs = run.ids.iter().map(|id| &**id).filter(|id| !places.contains_key(id));
    if ours.clone().next().is_some() || theirs.clone().next().is_some() {
        let only = |what, ids: &mut dyn Iterator<Item = &str>| {
            let names = named(ids);
            if names.is_empty() { None } else { Some(format!("only in the {what}: {names}")) }
        };
        let (ours, theirs) = (only("first", &mut { ours }), only("second", &mut { theirs }));
        let sides: Vec<String> = ours.into_iter().chain(theirs).collect();
        return shape(format!(
            "the runs differ in images, {}; evaluate both on the same part of the same data",
            sides.join(", ")
        ));
    }
    let order: Vec<usize> = first.ids.iter().map(|id| in_run[&**id]).collect();
    let label = |run: &Predictions, at: usize| run.classes[run.labels[at] as usize].clone();
    let differ = (0..first.len()).filter(|&at| label(first, at) != label(run, order[at]));
    let differ: Vec<String> = differ
        .map(|at| format!("`{}` is {} and {}", first.ids[at], label(first, at), label(run, order[at])))
        .collect();
    if !differ.is_empty() {
        return shape(format!(
            "the runs differ in the labels of {} images, {}; evaluate both on the same data",
            differ.len(),
            differ[..differ.len().min(NAMES)].join(", ")
        ));
    }
    Ok(order)
}

/// Each image's group, from the first run that knows it.
fn groups(runs: &[Cow<Predictions>]) -> Result<Vec<Option<String>>> {
    let mut groups = runs[0].groups.clone();
    for run in &runs[1..] {
        for (at, group) in run.groups.iter().enumerate() {
            match (&groups[at], group) {
                (None, Some(_)) => groups[at].clone_from(group),
                (Some(ours), Some(theirs)) if ours != theirs => {
                    let id = &run.ids[at];
                    return shape(format!(
                        "the runs differ in the group of `{id}`: {ours} and {theirs}; evaluate both on the same data"
                    ));
                }
                _ => {}
            }
        }
    }
    Ok(groups)
}

fn reordered(run: &Predictions, classes: &[usize], order: &[usize]) -> Predictions {
    let mut back = vec![0; classes.len()];
    classes.iter().enumerate().for_each(|(at, &from)| back[from] = at as u32);
    Predictions {
        classes: classes.iter().map(|&from| run.classes[from].clone()).collect(),
        ids: order.iter().map(|&from| run.ids[from].clone()).collect(),
        groups: order.iter().map(|&from| run.groups[from].clone()).collect(),
        labels: order.iter().map(|&from| back[run.labels[from] as usize]).collect(),
        probabilities: order
            .iter()
            .flat_map(|&from| classes.iter().map(move |&class| run.row(from)[class]))
            .collect(),
    }
}

/// The first few, and how many more.
fn named<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    let shown = ids[..ids.len().min(NAMES)].join(", ");
    if ids.len() > NAMES { format!("{shown} and {} more", ids.len() - NAMES) } else { shown }
}

#[cfg(test)]
mod tests {
    use super::aligned;
    use crate::Predictions;
    use crate::random::random;

    fn turned(run: &Predictions, classes: &[usize]) -> Predictions {
        let order: Vec<usize> = (0..run.len()).rev().collect();
        super::reordered(run, classes, &order)
    }

    #[test]
    fn other_orders_of_images_and_classes_are_the_same_run() {
        let run = random(20, 3, false, 1);
        let other = turned(&run, &[2, 0, 1]);
        assert!(other != run && other.classes == ["c2", "c0", "c1"]);
        other.validate().unwrap();
        let both = aligned(&[&run, &other]).unwrap();
        assert_eq!(*both[0], run);
        assert_eq!(*both[1], run);
    }

    #[test]
    fn groups_are_those_of_the_run_that_knows_them() {
        let run = random(20, 3, false, 1);
        let mut without = run.clone();
        without.groups.fill(None);
        assert_eq!(aligned(&[&without, &run]).unwrap()[0].groups, run.groups);
        assert_eq!(aligned(&[&run, &without]).unwrap()[0].groups, run.groups);
    }

    #[test]
    fn what_differs_is_named() {
        let run = random(20, 3, false, 1);
        let error = |change: fn(&mut Predictions)| {
            let mut other = turned(&run, &[0, 1, 2]);
            change(&mut other);
            aligned(&[&run, &other]).unwrap_err().to_string()
        };
        assert_eq!(
            error(|run| run.ids[..5].fill_with({
                let mut next = 100;
                move || {
                    next += 1;
                    next.to_string()
                }
            })),
            "predictions: the runs differ in images, only in the first: `15`, `16`, `17` and 2 more, only in the second: \
             `101`, `102`, `103` and 2 more; evaluate both on the same part of the same data"
        );
        assert_eq!(
            error(|run| run.ids[3] = "x".into()),
            "predictions: the runs differ in images, only in the first: `16`, only in the second: `x`; evaluate both on the \
             same part of the same data"
        );
        assert_eq!(
            error(|run| run.ids[3] = run.ids[4].clone()),
            "predictions: images are there twice, `15`; expected different ids"
        );
        assert!(
            error(|run| run.classes[0] = "z".into()).contains("differ in classes: c0, c1, c2 and z, c1, c2;")
        );
        let labels = error(|run| run.labels.iter_mut().for_each(|label| *label = (*label + 1) % 3));
        assert!(labels.contains("differ in the labels of 20 images, `0` is c"), "{labels}");
        assert!(error(|run| run.groups[0] = Some("x".into())).contains("the group of `19`: g9 and x;"));
        assert!(error(|run| run.probabilities[0] = 2.0).contains("predictions of `19`"));
    }
}
