//! Any batch of a run once more, from its checkpoint: images, draws, shares and targets, to the bit.

use super::Subject;
use super::dry_batch::BranchOutput;
use super::preview::view_name;
use crate::fit::checkpoint::{self, Position};
use crate::fit::{by_progress, fingerprint, verify};
use crate::run::{Batch, Data, Model, Start, check_with_data};
use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tallow_data::counted;
use tallow_models::weights::Head;
use tallow_policy::{Applied, Branch, Registry, Shares, text};
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
    let Kept { place, position } = exact.unwrap_or(&kept[0]);
    let plan = checkpoint::plan(place, overrides, registry)?;
    let data = if plan.data.skip_broken { Data::open(&plan, progress)? } else { Data::undecoded(&plan)? };
    if position.data != data.manifest {
        return Err(Error::Data(format!(
            "{}: this run saw other images, labels or groups; restore them, or say where they are, such as data.root=DIR",
            place.display()
        )));
    }
    let (length, loss) = check_with_data(&plan, &data)?;
    let device = plan.open_device()?;
    let fresh = step == 1 && exact.is_none() && plan.policy.running().any(Branch::needs_network);
    let start = if fresh { Start::Recipe } else { Start::Checkpoint(place) };
    let (model, _) = Model::build(plan, data.train.classes().to_vec(), device, start, progress)?;
    if exact.is_some() && model.plan.ema.is_some() {
        verify(place, Some(&["raw.safetensors"]))?;
        let raw = place.join("raw.safetensors");
        tallow_models::weights::load(&model.params, &raw, Head::MustFit)?;
    }
    model.freeze_at(step - 1, |stage| position.begins(stage, &model.plan, length))?;
    let is_there = exact.is_some() || fresh;
    let subject = Subject::of_model(&model, &data, is_there.then_some(&loss));
    let batch = batch_of(subject, step)?;
    assemble(subject, &batch, &unavailable(step, &kept), step, tiles, logged(folder, step))
}

/// A checkpoint of the run.
struct Kept {
    place: PathBuf,
    position: Position,
}

/// The checkpoints of a run's folder that can be read, or the one that is named.
fn kept(folder: &Path) -> Result<Vec<Kept>> {
    let places: Vec<PathBuf> =
        if folder.join("state.json").is_file() { vec![folder.to_owned()] } else { by_progress(folder) };
    let read = |place: PathBuf| Ok(Kept { position: checkpoint::position(&place)?, place });
    let (kept, damaged): (Vec<_>, Vec<_>) = places.into_iter().map(read).partition(Result::is_ok);
    if kept.is_empty() {
        let problem =
            "holds no state.json, nor any checkpoint; name the folder of a run or one of its checkpoints";
        damaged
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(Error::recipe(format!("{}: {problem}", folder.display()))))?;
    }
    kept.into_iter().collect()
}

/// The batch of a step, from 1.
fn batch_of(subject: Subject, step: u64) -> Result<Batch> {
    let length = subject.batches()?.length;
    let index = step.wrapping_sub(1);
    let (epoch, batch) = (index / length.batches_per_epoch, index % length.batches_per_epoch);
    let batch = if index < length.steps { subject.batch(epoch, batch)? } else { None };
    batch.ok_or_else(|| {
        let (steps, length) = (counted(length.steps, "step"), text(&subject.plan.resolved["length"]));
        Error::recipe(format!("--step {step}: the run has {steps} (length {length}), from 1"))
    })
}

fn unavailable(step: u64, kept: &[Kept]) -> String {
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
    subject: Subject,
    batch: &Batch,
    why_none: &str,
    step: u64,
    tiles: usize,
    logged: BTreeMap<u64, String>,
) -> Result<Replay> {
    let data = subject.data;
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
    for branch in subject.plan.policy.running() {
        let output = subject.branch(batch, branch, why_none)?;
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
            "view": view_name(branch.view),
            "weight": branch.weight,
            "values": tallow_data::fingerprint(&bytes(&output.input.values)?),
            "targets": targets,
            "agrees_with_log": agrees,
            "mixes": output.record.iter().map(mix).collect::<Vec<Value>>(),
            "rows": rows(&output, classes.len()),
        }));
        let sheet = subject.sheet(batch, &output, tiles)?;
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
    let at = &batch.training_progress;
    replay.record = json!({
        "step": step,
        "epoch": at.step / at.batches_per_epoch + 1,
        "batch": at.step % at.batches_per_epoch + 1,
        "progress": at.fraction(),
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
        ("values", output.input.values),
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
