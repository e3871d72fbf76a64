//! Which images of the parts can be read, and what they are made of.

use super::data::Named;
use crate::plan::Plan;
use crate::{Error, Result};
use std::collections::HashSet;
use std::sync::Arc;
use tallow_data::{Broken, Dataset, Decoded, Encoded, Subset};
use tallow_ranks::Ranks;
use tallow_report::{Progress, Unit};

/// Leaves the broken images out of every part; an error that names those of all parts, unless the plan skips them. Each rank looks at a part
/// of the images that the first one has not seen before, and hears of the rest.
///
/// # Errors
/// Broken images.
pub fn readable(
    parts: &mut Named,
    decoded: &mut Decoded,
    plan: &Plan,
    progress: &Progress,
    notes: &mut Vec<String>,
    ranks: &dyn Ranks,
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
    if ranks.count() > 1 {
        // The first one's cache, so that nobody looks at what it knows.
        let own = if ranks.index() == 0 { records(decoded.known()) } else { Vec::new() };
        let first = ranks.gather(own)?.swap_remove(0);
        if ranks.index() > 0 {
            *decoded = std::mem::take(decoded).told();
            decoded.learn(of_records(&first));
        }
    }
    let mine = |index: usize| index % ranks.count() == ranks.index();
    let look = |part: &dyn Dataset| {
        let tick = |_| bar.tick(1, &[]);
        if ranks.count() == 1 {
            return Ok(decoded.broken(part, plan.data.workers, &mine, &tick));
        }
        let before: HashSet<u128> = decoded.known().keys().copied().collect();
        let broken = decoded.broken(part, plan.data.workers, &mine, &tick);
        // Some may have larger images, or a slower disk.
        ranks.meet()?;
        let seen = decoded.known().iter().filter(|(key, _)| !before.contains(key));
        for seen in ranks.gather(records(seen))? {
            decoded.learn(of_records(&seen));
        }
        found_by_all(broken, part, ranks)
    };
    without(parts, plan, look, notes).map(drop)
}

/// The broken images that all ranks have found, each some of them.
fn found_by_all(own: Vec<Broken>, part: &dyn Dataset, ranks: &dyn Ranks) -> Result<Vec<Broken>> {
    let own: Vec<(usize, String)> = own.into_iter().map(|image| (image.index, image.reason)).collect();
    let mut all: Vec<(usize, String)> = Vec::new();
    for told in ranks.gather(serde_json::to_vec(&own).expect("numbers and text"))? {
        let found = serde_json::from_slice::<Vec<_>>(&told);
        all.extend(found.map_err(|error| Error::Data(format!("what a rank found broken: {error}")))?);
    }
    all.sort();
    let image = |(index, reason): (usize, String)| Broken { index, id: part.id(index).to_owned(), reason };
    Ok(all.into_iter().map(image).collect())
}

/// What files are known by, and what their images are made of, as bytes.
fn records<'a>(known: impl IntoIterator<Item = (&'a u128, &'a u128)>) -> Vec<u8> {
    known
        .into_iter()
        .flat_map(|(key, content)| [key.to_le_bytes(), content.to_le_bytes()])
        .flatten()
        .collect()
}

fn of_records(bytes: &[u8]) -> impl Iterator<Item = (u128, u128)> {
    let (pairs, _) = bytes.as_chunks::<16>().0.as_chunks::<2>();
    pairs.iter().map(|[key, content]| (u128::from_le_bytes(*key), u128::from_le_bytes(*content)))
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
    mut look: impl FnMut(&dyn Dataset) -> Result<Vec<Broken>>,
    notes: &mut Vec<String>,
) -> Result<usize> {
    const NAMED: usize = 20;
    let (mut complaints, mut whole) = (Vec::new(), 0);
    for (name, part) in parts.iter_mut().filter(|(_, part)| !in_memory(&**part)) {
        let broken = look(&**part)?;
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
