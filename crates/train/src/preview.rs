//! What the policies of a recipe do to a batch, as pictures with their label shares. A network is needed only where a mix
//! looks at its gradient.

use crate::Result;
use crate::data::Data;
use crate::fit::prepare;
use crate::loss::Loss;
use crate::model::{Model, Start};
use crate::plan::Plan;
use crate::run::Run;
use crate::step::Work;
use crate::upload::Statistics;
use candle_core::{DType, Device, Tensor};
use tallow_data::{HostBatch, Image, Loader, Pixels};
use tallow_policy::{Branch, Moment, Rows, View};
use tallow_report::{Progress, Sheet, Tile};
use tallow_seed::Seed;

/// What one branch does to a batch.
pub struct Preview {
    pub sheet: Sheet,
    /// Whether a mix happened at `input`.
    pub mixed: bool,
}

/// Batch `index` of the first epoch of a recipe after the mixes at `input`, for each running branch. A mix that looks at
/// the gradient by the input sees that of the network with its initial weights.
pub fn preview(mut plan: Plan, index: u64, tiles: usize, progress: &Progress) -> Result<Vec<Preview>> {
    if plan.policy.running().any(Branch::needs_input_gradient) {
        let run = Run::build(plan, Start::Recipe, progress)?;
        return sheets(run.plan(), &run.data, Some((&run.model, &run.loss)), index, tiles);
    }
    plan.paint_as_weights();
    let data = Data::open(&plan, progress)?;
    sheets(&plan, &data, None, index, tiles)
}

/// The same of opened data; `network` is asked for gradients where a mix needs them.
pub(crate) fn sheets(
    plan: &Plan,
    data: &Data,
    network: Option<(&Model, &Loss)>,
    index: u64,
    tiles: usize,
) -> Result<Vec<Preview>> {
    let classes = data.train.classes();
    let batches = crate::run::batches(plan, data, 0)?;
    let count = batches.len() as u64;
    let chosen = batches.into_iter().nth(index as usize).into_iter().collect();
    let views = crate::run::views(&plan.policy);
    let mut loader = Loader::new(data.train.clone(), chosen, prepare(plan, &views, 0), plan.data.workers);
    let Some(batch) = loader.next() else {
        return Err(crate::Error::recipe(format!("--batch {index}: an epoch has {count} batches, from 0")));
    };
    let batch = batch?;
    let size = plan.data.batch as u64;
    let steps = plan.length.steps(count, size).unwrap_or(count);
    let moment = Moment { step: index, steps, batches_per_epoch: count, batch: size };
    let seed = Seed::new(plan.seed).fold("epoch", 0).fold("step", index);
    let rows = Rows::one_hot(batch.labels.clone(), data.interned(&batch), classes.len());
    let statistics = Statistics { mean: plan.model.spec.mean, std: plan.model.spec.std };
    let mut sheets = Vec::new();
    for branch in plan.policy.running() {
        let mut passage = branch.begin(&rows, seed, moment);
        let pixels = view(&batch, &views, branch.view);
        let values = statistics.upload(pixels, DType::F32, &Device::Cpu)?;
        if let Some((model, loss)) = network.filter(|_| passage.needs_input_gradient()) {
            let gradient = Work::of(model, loss).input_gradient(&model.upload(pixels)?, &rows.targets)?;
            passage.provide_input_gradient(gradient.to_device(&Device::Cpu)?);
        }
        let values = passage.at("input", values)?;
        let targets = passage.targets();
        let named: Vec<String> = passage.record().iter().map(|applied| applied.policy.clone()).collect();
        let later: Vec<String> = passage.due().map(str::to_owned).collect();
        let policy = plan.preset.as_deref().map_or(String::new(), |name| format!(", policy {name}"));
        let (here, later) = (named.join(", "), later.join(", "));
        let mixes = match (here.is_empty(), later.is_empty()) {
            (false, true) => format!("{here} at input"),
            (false, false) => format!("{here} at input, then a mix at {later}, inside the network"),
            (true, false) => format!("before the mix at {later}, inside the network"),
            (true, true) => "no mix in this batch".to_owned(),
        };
        let title =
            format!("{}{policy} · branch {}, {} · {mixes}", plan.name, branch.index, word(branch.view));
        let images = statistics.download(&values)?;
        let tile = |(row, image): (usize, Image)| Tile {
            image,
            note: batch.indices.get(row).map_or(String::new(), |i| data.train.id(*i as usize).to_owned()),
            shares: targets[row * classes.len()..(row + 1) * classes.len()].to_vec(),
        };
        let tiles = images.into_iter().take(tiles).enumerate().map(tile).collect();
        let sheet = Sheet { title, classes: classes.to_vec(), tiles, columns: None, side: None };
        sheets.push(Preview { sheet, mixed: !named.is_empty() });
    }
    Ok(sheets)
}

fn view<'a>(batch: &'a HostBatch, views: &[View], view: View) -> &'a Pixels {
    &batch.views[views.iter().position(|known| *known == view).unwrap_or(0)]
}

fn word(view: View) -> &'static str {
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
