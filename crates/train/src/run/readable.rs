//! Which images of the parts can be read, and what they are made of.

use super::data::Named;
use crate::plan::Plan;
use crate::{Error, Result};
use std::sync::Arc;
use tallow_data::{Broken, Dataset, Decoded, Encoded, Subset};
use tallow_report::{Progress, Unit};

/// Leaves the broken images out of every part; an error that names those of all parts, unless the plan skips them.
///
/// # Errors
/// Broken images.
pub fn readable(
    parts: &mut Named,
    decoded: &mut Decoded,
    plan: &Plan,
    progress: &Progress,
    notes: &mut Vec<String>,
) -> Result<()> {
    let borrowed: Vec<(&str, &dyn Dataset)> = parts.iter().map(|(name, part)| (*name, &**part)).collect();
    let stored: Vec<_> = borrowed.into_iter().filter(|(_, part)| !in_memory(*part)).collect();
    if stored.is_empty() {
        return Ok(());
    }
    let images: usize = stored.iter().map(|(_, part)| part.len()).sum();
    let names: Vec<&str> = stored.iter().map(|(name, _)| *name).collect();
    let label = format!("checking {}", names.join(", "));
    let bar = progress.bar(&label, Unit::Images, Some(images as u64));
    let look = |part: &dyn Dataset| decoded.broken(part, plan.data.workers, &|_| bar.tick(1, &[]));
    without(parts, plan, look, notes).map(drop)
}

/// What the images of all parts are made of; drawn ones are what the recipe says.
///
/// # Errors
/// Images that cannot be read.
pub fn content(parts: &Named, plan: &Plan, decoded: &Decoded) -> Result<Option<String>> {
    if plan.data.source.name == "synthetic" {
        return Ok(None);
    }
    let of_part = |(_, part): &(_, Arc<dyn Dataset>)| decoded.content(&**part, plan.data.workers);
    let found = parts.iter().map(of_part).collect::<tallow_data::Result<Vec<_>>>()?;
    Ok(Some(tallow_data::fingerprint(found.join("-").as_bytes())))
}

/// Pixels in memory cannot be broken.
fn in_memory(part: &dyn Dataset) -> bool {
    part.is_empty() || matches!(part.image(0), Ok(Encoded::Pixels(_)))
}

/// Leaves the images that `look` finds broken out of every part, and says how many are whole; an error that names those of all parts,
/// unless the plan skips them.
///
/// # Errors
/// Broken images.
pub fn without(
    parts: &mut Named,
    plan: &Plan,
    mut look: impl FnMut(&dyn Dataset) -> Vec<Broken>,
    notes: &mut Vec<String>,
) -> Result<usize> {
    const NAMED: usize = 20;
    let (mut complaints, mut whole) = (Vec::new(), 0);
    for (name, part) in parts.iter_mut().filter(|(_, part)| !in_memory(&**part)) {
        let broken = look(&**part);
        whole += part.len() - broken.len();
        if !broken.is_empty() {
            complaints.push(tallow_data::complaint(&broken, part.len(), name, NAMED));
            *part = Arc::new(Subset::without(part.clone(), &broken));
        }
    }
    if !complaints.is_empty() && !plan.data.skip_broken {
        let remedy = "fetch them again, or leave them out: `broken: skip` below data, on a command line data.broken=skip";
        return Err(Error::Data(format!("{}\n{remedy}", complaints.join("\n"))));
    }
    notes.extend(complaints.iter().map(|complaint| format!("left out: {complaint}")));
    Ok(whole)
}
