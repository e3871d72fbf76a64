//! What the policies of a recipe do to a batch, as pictures with their label shares and sources. A network is needed only
//! where a mix looks at it.

use crate::Result;
use crate::data::Data;
use crate::dry_batch::{Batch, BranchOutput, NetworkAccess};
use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::plan::Plan;
use crate::run::Run;
use crate::upload::Statistics;
use candle_core::{DType, Tensor};
use tallow_data::{Image, Pixels};
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
pub fn preview(mut plan: Plan, index: u64, tiles: usize, progress: &Progress) -> Result<Vec<Preview>> {
    if plan.policy.running().any(Branch::needs_network) {
        let run = Run::build(plan, Start::Recipe, progress)?;
        return sheets(run.plan(), &run.data, Some((&run.model, &run.loss)), index, tiles);
    }
    plan.paint_as_weights();
    let data = Data::open(&plan, progress)?;
    sheets(&plan, &data, None, index, tiles)
}

/// The same of opened data; `network` is looked at where a mix does.
pub(crate) fn sheets(
    plan: &Plan,
    data: &Data,
    network: Option<(&Model, &Loss)>,
    index: u64,
    tiles: usize,
) -> Result<Vec<Preview>> {
    let Some(batch) = Batch::load(plan, data, 0, index)? else {
        let count = crate::run::batches(plan, data, 0)?.len();
        return Err(crate::Error::recipe(format!("--batch {index}: an epoch has {count} batches, from 0")));
    };
    let statistics = Statistics { mean: plan.model.spec.mean, std: plan.model.spec.std };
    let access = match network {
        Some((model, loss)) => NetworkAccess::Available(model, loss),
        None => NetworkAccess::Unavailable("a mix looks at the network".to_owned()),
    };
    let statistics = network.map_or(statistics, |(model, _)| model.statistics);
    let sheet = |branch: &Branch| -> Result<Preview> {
        let output = batch.run(plan, branch, &statistics, &access)?;
        let sheet = sheet(plan, data, &batch, &output, &statistics, tiles)?;
        Ok(Preview { sheet, mixed: output.at_input > 0 })
    };
    plan.policy.running().map(sheet).collect()
}

/// The rows of a branch after the mixes at `input`, each with its sources; of mixes inside the network, the shares.
pub(crate) fn sheet(
    plan: &Plan,
    data: &Data,
    batch: &Batch,
    output: &BranchOutput,
    statistics: &Statistics,
    tiles: usize,
) -> Result<Sheet> {
    let classes = data.train.classes();
    let named = |applied: &tallow_policy::Applied| applied.policy.clone();
    let (here, later) = output.record.split_at(output.at_input);
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
    let (branch, view) = (output.branch, word(output.view));
    let title = format!("{}{policy} · branch {branch}, {view} · {mixes}", plan.name);
    let pixels = batch.pixels(output.view);
    let source = |&(row, share): &(u32, f64)| Source {
        image: picture(pixels, row as usize),
        class: batch.rows.classes[row as usize] as usize,
        share,
    };
    let tile = |(row, image): (usize, Image)| {
        let sources = output.input_shares.row(row);
        let itself = matches!(sources, [(only, _)] if *only as usize == row);
        Tile {
            image,
            note: batch
                .host
                .indices
                .get(row)
                .map_or(String::new(), |i| data.train.id(*i as usize).to_owned()),
            shares: output.input_targets[row * classes.len()..(row + 1) * classes.len()].to_vec(),
            sources: if itself { Vec::new() } else { sources.iter().map(source).collect() },
        }
    };
    let images = statistics.download(&output.values)?;
    let tiles = images.into_iter().take(tiles).enumerate().map(tile).collect();
    let matrix = (!later.is_empty()).then(|| Matrix {
        title: format!("Shares after {later}: a line is a row of the batch, a column its source"),
        shares: output.shares.dense().chunks_exact(output.shares.inputs()).map(<[f64]>::to_vec).collect(),
        lines: output.targets.chunks_exact(classes.len()).map(largest).collect(),
        columns: batch.rows.classes.iter().map(|class| *class as usize).collect(),
    });
    Ok(Sheet { title, classes: classes.to_vec(), tiles, matrix, columns: None, side: None })
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

pub(crate) fn word(view: View) -> &'static str {
    match view {
        View::Augmented => "augmented",
        View::Clean => "clean",
    }
}

impl Statistics {
    /// values (R, 3, H, W) → pictures: the inverse of the upload, rounded and clamped to bytes.
    pub fn download(&self, values: &Tensor) -> Result<Vec<Image>> {
        let (rows, _, height, width) = values.dims4()?;
        let values = values.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        let area = height * width;
        let byte = |channel: usize, value: f32| {
            let value = f64::from(value) * self.std[channel] + self.mean[channel];
            (255.0 * value).round().clamp(0.0, 255.0) as u8
        };
        let picture = |row: usize| {
            let planes = &values[row * 3 * area..(row + 1) * 3 * area];
            let pixels = (0..area).flat_map(|at| (0..3).map(move |c| (c, planes[c * area + at])));
            let pixels = pixels.map(|(channel, value)| byte(channel, value)).collect();
            Image { width: width as u32, height: height as u32, pixels }
        };
        Ok((0..rows).map(picture).collect())
    }
}
