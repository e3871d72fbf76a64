//! Groups and images that are in two parts, images under two labels, and images that a plan leaves out.

use super::copies::copies;
use super::data::{Named, named};
use crate::plan::Plan;
use crate::{Error, Result};
use std::sync::Arc;
use tallow_data::{Cache, Checked, Dataset, Decoded, Exclusion, Place, Step, counted, groups_across};
use tallow_report::{Progress, Unit};

/// What `tallow data check` saw of a plan's data.
pub struct DataCheck {
    pub checked: Checked,
    /// Name and number of images of each part.
    pub parts: Vec<(String, usize)>,
    /// What a group is, where the data have groups.
    pub group_name: Option<String>,
    /// Groups in two parts, and their images.
    pub groups: Vec<(String, Vec<Place>)>,
    pub notes: Vec<String>,
}

/// Looks at every image of a plan's parts and compares each with each; what was seen is kept for the next time in the user's cache
/// folder, and with `fresh` not read from there.
///
/// # Errors
/// Data that are not there or not divided; a cache that cannot be written.
pub fn check_data(plan: &Plan, fresh: bool, progress: &Progress) -> Result<DataCheck> {
    let (parts, notes, _) = named(plan)?;
    let named = borrowed(&parts);
    let images: usize = parts.iter().map(|(_, part)| part.len()).sum();
    let checked = {
        let looks = progress.bar("looking at images", Unit::Images, Some(images as u64));
        let compares = progress.bar("comparing", Unit::Images, Some(images as u64));
        let heard = |step: Step, images: usize| match step {
            Step::Look => looks.tick(images as u64, &[]),
            Step::Compare => compares.tick(images as u64, &[]),
        };
        tallow_data::check(&named, &Cache::of_user(), fresh, plan.data.workers, &heard)?
    };
    let group_name = parts.iter().find_map(|(_, part)| part.group_name().map(str::to_owned));
    Ok(DataCheck {
        checked,
        parts: parts.iter().map(|(name, part)| ((*name).to_owned(), part.len())).collect(),
        group_name: group_name.filter(|name| name != tallow_data::COPIES),
        groups: groups_across(&named),
        notes,
    })
}

/// Leaves out the images of the plan's list.
pub(super) fn exclude(parts: &mut Named, plan: &Plan, notes: &mut Vec<String>) -> Result<()> {
    let Some(path) = &plan.data.exclude else { return Ok(()) };
    let list = Exclusion::read(path)?;
    let all: Vec<&dyn Dataset> = parts.iter().map(|(_, part)| &**part).collect();
    notes.extend(list.strangers(&all)?);
    for (name, part) in parts {
        let (rest, count) = list.apply(part.clone());
        if count > 0 {
            notes.push(format!(
                "left out by {}: {}",
                path.display(),
                counted(count, &format!("{name} image"))
            ));
            *part = Arc::new(rest);
        }
    }
    Ok(())
}

const REMEDY: &str = "or go on in spite of it, which is recorded: `allow_leak: true` below data, on a command line data.allow_leak=true";
const DROP: &str = "or leave them out: `copies: drop` below data, on a command line data.copies=drop";

/// Whether no group is in two parts; an error where one is, unless the plan allows it.
pub(super) fn disjoint(parts: &Named, plan: &Plan, notes: &mut Vec<String>) -> Result<bool> {
    match tallow_data::check_disjoint(&borrowed(parts)) {
        Err(tallow_data::Error::Leak(problem)) if plan.data.allow_leak => {
            notes.push(allowed(&problem));
            Ok(false)
        }
        Err(tallow_data::Error::Leak(problem)) => {
            Err(Error::Data(format!("{problem}; `tallow data check` names them all\n{REMEDY}")))
        }
        other => Ok(other.map(|()| true)?),
    }
}

/// No image is in two parts or under two labels, the same to the byte, unless the plan allows it; nor to the pixel, and near ones are
/// told, where an earlier check has compared these images.
pub(super) fn distinct(parts: &Named, decoded: &Decoded, plan: &Plan, notes: &mut Vec<String>) -> Result<()> {
    // Drawn images are made when they are asked for.
    if plan.data.source.name == "synthetic" {
        return Ok(());
    }
    let mut problems = copies(parts, decoded, plan)?.problems();
    let is_left = plan.data.drop_copies && !problems.is_empty();
    if plan.data.drop_copies {
        // A test part stays as it was given.
        notes.extend(problems.drain(..).map(|problem| format!("left in the test part: {problem}")));
    }
    let can_drop = !problems.is_empty();
    let known = tallow_data::known(&borrowed(parts), &Cache::of_user(), plan.data.workers)?;
    if let Some(found) = &known {
        problems.extend(found.recoded.problems_of("the same to the pixel"));
        notes.extend(found.warnings());
    }
    if problems.is_empty() && is_left {
        // That is told above.
    } else if problems.is_empty() {
        let images = counted(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), "image");
        let (alike, more) = match known {
            Some(_) => ("byte or the pixel", ""),
            None => ("byte", "; copies that were saved again are found by `tallow data check`"),
        };
        notes.push(format!(
            "no two of {images} in different parts or classes are the same to the {alike} (checked){more}"
        ));
    } else if plan.data.allow_leak {
        notes.extend(problems.iter().map(|problem| allowed(problem)));
    } else {
        problems.extend(can_drop.then(|| DROP.to_owned()));
        return Err(Error::Data(format!("{}\n{REMEDY}", problems.join("\n"))));
    }
    Ok(())
}

fn allowed(problem: &str) -> String {
    format!("allowed by data.allow_leak: {problem}")
}

fn borrowed(parts: &Named) -> Vec<(&str, &dyn Dataset)> {
    parts.iter().map(|(name, part)| (*name, &**part)).collect()
}
