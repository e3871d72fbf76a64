//! Any batch of a run once more, from its checkpoint: images, draws, shares and targets, to the bit.

use crate::branch_gradients::fingerprint;
use crate::checkpoint::{self, Position};
use crate::data::Data;
use crate::dry_batch::{Batch, BranchOutput, NetworkAccess};
use crate::model::{Model, Start};
use crate::plan::Plan;
use crate::preview::{sheet, word};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tallow_models::weights::Head;
use tallow_policy::{Applied, Registry, Shares, text};
use tallow_report::{Progress, Sheet};

/// A step of a run, rebuilt.
pub struct Replay {
    /// One for each branch that runs, in the recipe's order.
    pub sheets: Vec<Sheet>,
    /// Images and, by branch, mixes with their taps, shares and parameters, and the targets.
    pub record: Value,
    /// `labels`, `indices` (R) and of each branch i `branch<i>.images` (R, H, W, 3) before any mix, `branch<i>.values`
    /// (R_out, 3, H, W) after those at `input`, `branch<i>.shares` (R_out, R) and `branch<i>.targets` (R_out, C) after all.
    pub tensors: BTreeMap<String, Tensor>,
    /// What to doubt.
    pub warnings: Vec<String>,
}

/// Step `step` (from 1, as in `metrics.jsonl`) of the run that wrote `folder`, a run's folder or one of its checkpoints.
///
/// Draws are functions of the recipe, the seed and the data. Those that looked at the network are rebuilt only where its
/// weights before that step are there: at the first step, and at the step after a kept checkpoint.
///
/// # Errors
/// A step beyond the run's end; other data than the run's; weights that are gone.
pub fn replay(
    folder: &Path,
    step: u64,
    overrides: &[String],
    tiles: usize,
    registry: &Registry,
    progress: &Progress,
) -> Result<Replay> {
    let kept = kept(folder)?;
    // The weights that the step began with, or any.
    let exact = kept.iter().find(|kept| kept.position.step + 1 == step);
    let Kept { place, .. } = exact.unwrap_or(&kept[0]);
    checkpoint::read(place, "recipe.yaml")?;
    let plan = Plan::read(&place.join("recipe.yaml"), overrides, registry)?;
    let data = if plan.data.skip_broken { Data::open(&plan, progress)? } else { Data::undecoded(&plan)? };
    if kept[0].position.data != data.manifest {
        return Err(Error::Data(format!(
            "{}: this run saw other images, labels or groups; restore them, or say where they are, such as data.root=DIR",
            place.display()
        )));
    }
    let (_, loss) = crate::run::fit_together(&plan, &data)?;
    let device = plan.device.open().map_err(|message| plan.mistake("device", message))?;
    let looks = plan.policy.running().any(tallow_policy::Branch::needs_network);
    let fresh = step == 1 && exact.is_none() && looks;
    let start = if fresh { Start::Recipe } else { Start::Checkpoint(place) };
    let (model, _) = Model::build(plan, data.train.classes().to_vec(), device, start, progress)?;
    if exact.is_some() && model.plan.ema.is_some() {
        let raw = place.join("raw.safetensors");
        tallow_models::weights::load(&model.params, &raw, Head::MustFit)?;
    }
    let batch = locate(&model.plan, &data, step)?;
    let access = if exact.is_some() || fresh {
        NetworkAccess::Available(&model, &loss)
    } else {
        NetworkAccess::Unavailable(gone(step, &kept))
    };
    assemble(&model, &data, &batch, &access, step, tiles, logged(folder, step))
}

/// A checkpoint of the run.
struct Kept {
    place: PathBuf,
    position: Position,
}

/// The checkpoints of a run's folder, or the one that is named.
fn kept(folder: &Path) -> Result<Vec<Kept>> {
    let places: Vec<PathBuf> = if folder.join("state.json").is_file() {
        vec![folder.to_owned()]
    } else {
        ["last", "best"].iter().filter_map(|name| checkpoint::find(folder, name)).collect()
    };
    let read = |place: PathBuf| {
        let text = checkpoint::read(&place, "state.json")?;
        let damaged = |error| Error::Checkpoint(format!("{}: {error}", place.join("state.json").display()));
        let position = serde_json::from_str(&text).map_err(damaged)?;
        Ok(Kept { place, position })
    };
    let kept = places.into_iter().map(read).collect::<Result<Vec<Kept>>>()?;
    if kept.is_empty() {
        let problem = "holds no state.json, nor do its last/ and best/; name the folder of a run or one of its checkpoints";
        return Err(Error::recipe(format!("{}: {problem}", folder.display())));
    }
    Ok(kept)
}

fn locate(plan: &Plan, data: &Data, step: u64) -> Result<Batch> {
    let count = crate::run::batches(plan, data, 0)?.len() as u64;
    let total = crate::run::steps(plan, count)?;
    let index = step.wrapping_sub(1);
    let batch = if index < total { Batch::load(plan, data, index / count, index % count)? } else { None };
    batch.ok_or_else(|| {
        let length = text(&plan.resolved["length"]);
        Error::recipe(format!("--step {step}: the run has {total} steps (length {length}), from 1"))
    })
}

fn gone(step: u64, kept: &[Kept]) -> String {
    let mut steps: Vec<u64> = kept.iter().map(|kept| kept.position.step + 1).chain([1]).collect();
    steps.sort();
    steps.dedup();
    let steps: Vec<String> = steps.iter().map(u64::to_string).collect();
    format!(
        "--step {step}: a policy looked at the network, whose weights before this step were not kept; such draws can be \
         replayed at steps {} alone (the first, and those after a checkpoint, as far as the run goes)",
        steps.join(", ")
    )
}

/// The fingerprints of a step's targets by branch, where the run's log has them.
fn logged(folder: &Path, step: u64) -> BTreeMap<u64, String> {
    let beside = [Some(folder), folder.parent()];
    let lines = beside
        .into_iter()
        .flatten()
        .find_map(|place| std::fs::read_to_string(place.join("metrics.jsonl")).ok());
    let of_step = |line: &str| {
        let record: Value = serde_json::from_str(line).ok()?;
        let branches = record.get("branches").filter(|_| record["step"] == step)?.as_array()?.clone();
        let one = |branch: &Value| Some((branch["branch"].as_u64()?, branch["targets"].as_str()?.to_owned()));
        Some(branches.iter().filter_map(one).collect())
    };
    lines.and_then(|text| text.lines().find_map(of_step)).unwrap_or_default()
}

fn assemble(
    model: &Model,
    data: &Data,
    batch: &Batch,
    access: &NetworkAccess,
    step: u64,
    tiles: usize,
    logged: BTreeMap<u64, String>,
) -> Result<Replay> {
    let plan = &model.plan;
    let classes = data.train.classes();
    let mut replay = Replay {
        sheets: Vec::new(),
        record: Value::Null,
        tensors: BTreeMap::from([
            ("labels".to_owned(), vector(&batch.host.labels)?),
            ("indices".to_owned(), vector(&batch.host.indices)?),
        ]),
        warnings: Vec::new(),
    };
    let mut branches = Vec::new();
    for branch in plan.policy.running() {
        let output = batch.run(plan, branch, &model.statistics, access)?;
        let targets = fingerprint(&output.targets);
        let agrees = logged.get(&(branch.index as u64)).map(|logged| *logged == targets);
        if agrees == Some(false) {
            replay.warnings.push(format!(
                "branch {}: metrics.jsonl has other targets for step {step}: the run had another length or version then, \
                 or this machine rounds otherwise",
                branch.index
            ));
        }
        branches.push(json!({
            "branch": branch.index,
            "view": word(branch.view),
            "weight": branch.weight,
            "values": tallow_data::fingerprint(&bytes(&output.values)?),
            "targets": targets,
            "agrees_with_log": agrees,
            "mixes": output.record.iter().map(mix).collect::<Vec<Value>>(),
            "rows": rows(&output, classes.len()),
        }));
        let sheet = sheet(plan, data, batch, &output, &model.statistics, tiles)?;
        replay.sheets.push(Sheet { title: format!("step {step} · {}", sheet.title), ..sheet });
        tensors(&mut replay.tensors, batch, output, classes.len())?;
    }
    let image = |(row, (index, label)): (usize, (&u32, &u32))| {
        json!({
            "row": row,
            "index": index,
            "id": data.train.id(*index as usize),
            "class": classes[*label as usize],
        })
    };
    let images: Vec<Value> =
        batch.host.indices.iter().zip(&batch.host.labels).enumerate().map(image).collect();
    let progress = &batch.progress;
    replay.record = json!({
        "step": step,
        "epoch": progress.step / progress.batches_per_epoch + 1,
        "batch": progress.step % progress.batches_per_epoch + 1,
        "progress": progress.fraction(),
        "classes": classes,
        "images": images,
        "branches": branches,
    });
    Ok(replay)
}

fn mix(applied: &Applied) -> Value {
    let Applied { policy, tap, path, numbers, shares, .. } = applied;
    let numbers: serde_json::Map<String, Value> =
        numbers.iter().map(|(name, number)| (name.clone(), json!(number))).collect();
    json!({ "policy": policy, "tap": tap, "path": path, "numbers": numbers, "shares": sources(shares) })
}

/// Of each row its [source, share], the largest share first.
fn sources(shares: &Shares) -> Vec<Vec<(u32, f64)>> {
    let ordered = |row: &Vec<(u32, f64)>| {
        let mut row = row.clone();
        row.sort_by(|a, b| b.1.total_cmp(&a.1));
        row
    };
    shares.rows().iter().map(ordered).collect()
}

/// Each row after all mixes: its sources and its targets.
fn rows(output: &BranchOutput, classes: usize) -> Vec<Value> {
    let targets = output.targets.chunks_exact(classes);
    let rows = sources(&output.shares).into_iter().zip(targets);
    rows.map(|(sources, targets)| json!({ "sources": sources, "targets": targets })).collect()
}

fn tensors(
    into: &mut BTreeMap<String, Tensor>,
    batch: &Batch,
    output: BranchOutput,
    classes: usize,
) -> Result<()> {
    let cpu = &Device::Cpu;
    let pixels = batch.pixels(output.view);
    let shape = (pixels.rows, pixels.height, pixels.width, 3);
    let (rows, inputs) = (output.shares.len(), output.shares.inputs());
    let of_branch = [
        ("images", Tensor::from_slice(&pixels.bytes, shape, cpu)?),
        ("values", output.values),
        ("shares", Tensor::from_vec(output.shares.dense(), (rows, inputs), cpu)?),
        ("targets", Tensor::from_vec(output.targets, (rows, classes), cpu)?),
    ];
    let name = |(name, tensor)| (format!("branch{}.{name}", output.branch), tensor);
    into.extend(of_branch.into_iter().map(name));
    Ok(())
}

fn vector(numbers: &[u32]) -> Result<Tensor> {
    Ok(Tensor::new(numbers, &Device::Cpu)?)
}

/// Little-endian, f32.
fn bytes(values: &Tensor) -> Result<Vec<u8>> {
    let values = values.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.into_iter().flat_map(f32::to_le_bytes).collect())
}
