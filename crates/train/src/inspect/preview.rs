//! What the policies of a recipe do to a batch, as pictures with their label shares and sources. A network is needed only
//! where a mix looks at it.

use super::Subject;
use super::dry_batch::BranchOutput;
use crate::plan::Plan;
use crate::run::Batch;
use crate::{Error, Result};
use tallow_data::{Image, Pixels, counted};
use tallow_policy::{Branch, View};
use tallow_report::{Matrix, Progress, Sheet, Source, Tile};

/// What one branch does to a batch.
pub struct Preview {
    pub sheet: Sheet,
    /// Whether a mix happened at `input`.
    pub mixed: bool,
}

/// Batch `index` of the first epoch of a recipe after the mixes at `input`, for each running branch. A mix that looks at
/// the network sees it with its initial weights.
///
/// # Errors
/// Data or weights that are not there, or do not fit; a batch that the epoch does not have.
pub fn preview(plan: Plan, index: u64, tiles: usize, progress: &Progress) -> Result<Vec<Preview>> {
    let needs_network = plan.policy.running().any(Branch::needs_network);
    super::open(plan, needs_network, progress, |subject| sheets(subject, index, tiles))
}

/// The same of what is open.
///
/// # Errors
/// A batch that the epoch does not have; those of the ops and the mixes.
pub fn sheets(subject: Subject, index: u64, tiles: usize) -> Result<Vec<Preview>> {
    let Some(batch) = subject.batch(0, index)? else {
        let batches = counted(subject.batches()?.length.batches_per_epoch, "batch");
        return Err(Error::recipe(format!("--batch {index}: an epoch has {batches}, from 0")));
    };
    let sheet = |branch: &Branch| -> Result<Preview> {
        let output = subject.branch(&batch, branch, "a mix looks at the network")?;
        Ok(Preview { sheet: subject.sheet(&batch, &output, tiles)?, mixed: output.input.mixes > 0 })
    };
    subject.plan.policy.running().map(sheet).collect()
}

impl Subject<'_> {
    /// The rows of a branch after the mixes at `input`, each with its sources; of mixes inside the network, the shares.
    ///
    /// # Errors
    /// Values that are no images.
    pub fn sheet(&self, batch: &Batch, output: &BranchOutput, tiles: usize) -> Result<Sheet> {
        let Subject { plan, data, transforms, .. } = self;
        let classes = data.train.classes();
        let named = |applied: &tallow_policy::Applied| applied.policy.clone();
        let (here, later) = output.record.split_at(output.input.mixes);
        let here: Vec<String> = here.iter().map(named).collect();
        let later: Vec<String> =
            later.iter().map(|applied| format!("{} at {}", applied.policy, applied.tap)).collect();
        let policy = plan.preset.as_deref().map_or(String::new(), |name| format!(", policy {name}"));
        let (here, later) = (here.join(", "), later.join(", "));
        let mixes = match (here.is_empty(), later.is_empty()) {
            (false, true) => format!("{here} at input"),
            (false, false) => format!("{here} at input, then {later}, inside the network"),
            (true, false) => format!("before {later}, inside the network"),
            (true, true) => "no mix in this batch".to_owned(),
        };
        let (branch, view) = (output.branch, view_name(output.view));
        let title = format!("{}{policy} · branch {branch}, {view} · {mixes}", plan.name);
        let pixels = batch.pixels(output.view);
        let source = |&(row, share): &(u32, f64)| Source {
            image: picture(pixels, row as usize),
            class: batch.rows.classes[row as usize] as usize,
            share,
        };
        let tile = |(row, image): (usize, Image)| {
            let sources = output.input.shares.row(row);
            let itself = matches!(sources, [(only, _)] if *only as usize == row);
            Tile {
                image,
                note: batch
                    .host
                    .indices
                    .get(row)
                    .map_or(String::new(), |i| data.train.id(*i as usize).to_owned()),
                shares: output.input.targets[row * classes.len()..(row + 1) * classes.len()].to_vec(),
                sources: if itself { Vec::new() } else { sources.iter().map(source).collect() },
            }
        };
        let images = transforms.statistics.download(&output.input.values)?;
        let tiles = images.into_iter().take(tiles).enumerate().map(tile).collect();
        let matrix = (!later.is_empty()).then(|| Matrix {
            title: format!("Shares after {later}: a line is a row of the batch, a column its source"),
            shares: output.shares.dense().chunks_exact(output.shares.inputs()).map(<[f64]>::to_vec).collect(),
            lines: output.targets.chunks_exact(classes.len()).map(largest).collect(),
            columns: batch.rows.classes.iter().map(|class| *class as usize).collect(),
        });
        Ok(Sheet { title, classes: classes.to_vec(), tiles, matrix, columns: None, side: None })
    }
}

/// The index of the largest; the first of equals.
fn largest(targets: &[f64]) -> usize {
    (1..targets.len()).fold(0, |best, class| if targets[class] > targets[best] { class } else { best })
}

fn picture(pixels: &Pixels, row: usize) -> Image {
    let len = pixels.height * pixels.width * 3;
    let pixels_of_row = pixels.bytes[row * len..(row + 1) * len].to_vec();
    Image { width: pixels.width as u32, height: pixels.height as u32, pixels: pixels_of_row }
}

pub fn view_name(view: View) -> &'static str {
    match view {
        View::Augmented => "augmented",
        View::Clean => "clean",
    }
}
