//! `predict CHECKPOINT IMAGE …`: what a checkpoint says of images, as CSV.

mod maps;

use super::{asking, checkpoint, device};
use crate::arguments::{Asking, Predict};
use candle_core::{DType, Device, Tensor};
use maps::Maps;
use std::collections::HashSet;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallow_data::{Dataset, EXTENSIONS, Images, Row, Subset, Table, broken, complaint};
use tallow_metrics::quoted;
use tallow_models::Mode;
use tallow_policy::Registry;
use tallow_report::{Progress, Unit};
use tallow_train::{Calibration, Error, Model};

/// Everything that can be refused is refused before the first line of the CSV.
pub fn predict(arguments: &Predict, registry: &Registry) -> anyhow::Result<()> {
    let place = checkpoint(&arguments.checkpoint)?;
    let progress = Progress::stderr();
    if let [file] = &arguments.inputs[..]
        && file.extension().is_some_and(|extension| extension == "npy")
    {
        return of_values(file, &place, arguments, registry, &progress);
    }
    let files = files(&arguments.inputs)?;
    let model = open(&place, arguments, registry, &progress)?;
    let (networks, asked) = asking::networks(model, &arguments.asking, registry, &progress)?;
    let model = &networks.first;
    let images = readable(files, model, arguments.skip_broken, &progress)?;
    networks.models().try_for_each(|model| one_size(&*images, model))?;
    let maps = Maps::asked(model, &arguments.explaining, None)?;
    asked.lines().iter().for_each(|line| progress.note(line));
    let mut csv = Csv::new(model, arguments.logits, maps.as_ref().and_then(|maps| maps.class));
    networks.forward(&images, "predict", &progress, |indices, found| -> anyhow::Result<()> {
        csv.write(indices.iter().map(|&index| images.id(index as usize).to_owned()), found)
    })?;
    let answers = csv.end()?;
    maps.map_or(Ok(()), |maps| maps.write(&images, &answers, &progress))
}

/// Of an array of normalised values.
fn of_values(
    file: &Path,
    place: &Path,
    arguments: &Predict,
    registry: &Registry,
    progress: &Progress,
) -> anyhow::Result<()> {
    let Asking { tta, with, .. } = &arguments.asking;
    for (option, is_there) in [("--tta", tta.is_some()), ("--with", !with.is_empty())] {
        if is_there {
            let problem = "needs images, and an array holds the values that one network's evaluation made of them – name image files";
            return Err(Error::recipe(format!("{option}: {problem}")).into());
        }
    }
    let model = open(place, arguments, registry, progress)?;
    let values = values(file)?.to_device(&model.device)?.to_dtype(model.params.compute_dtype())?;
    let maps = Maps::asked(&model, &arguments.explaining, Some((values.dim(2)?, values.dim(3)?)))?;
    let (rows, batch) = (values.dim(0)?, model.plan.data.batch);
    let mut csv = Csv::new(&model, arguments.logits, maps.as_ref().and_then(|maps| maps.class));
    let part = |start: usize| values.narrow(0, start, batch.min(rows - start))?.contiguous();
    for start in (0..rows).step_by(batch) {
        let found = model.network.forward(&part(start)?, &Mode::Eval)?;
        csv.write((start..rows).map(|row| row.to_string()), &found)?;
    }
    let answers = csv.end()?;
    let Some(maps) = maps else { return Ok(()) };
    (0..rows).step_by(batch).try_for_each(|start| maps.write_rows(start, &part(start)?, &answers[start..]))
}

fn open(place: &Path, arguments: &Predict, registry: &Registry, progress: &Progress) -> Result<Model, Error> {
    let device = device(&arguments.device)?;
    let open = if arguments.uncalibrated { Model::open_uncalibrated } else { Model::open };
    open(place, &[], Some(device), registry, progress)
}

/// A class, by its index, and its probability.
type Answer = (usize, f64);

/// The CSV on stdout; its header comes with the first rows.
struct Csv<'a> {
    out: csv::Writer<BufWriter<std::io::StdoutLock<'static>>>,
    model: &'a Model,
    logits: bool,
    /// Of each image the class that is asked about, else the predicted one.
    answers: Vec<Answer>,
    class: Option<usize>,
    is_begun: bool,
}

impl<'a> Csv<'a> {
    fn new(model: &'a Model, logits: bool, class: Option<usize>) -> Csv<'a> {
        let out = csv::Writer::from_writer(BufWriter::new(std::io::stdout().lock()));
        Csv { out, model, logits, answers: Vec::new(), class, is_begun: false }
    }

    /// One row for each of `found`, logits (R, C).
    fn write(&mut self, names: impl Iterator<Item = String>, found: &Tensor) -> anyhow::Result<()> {
        let probable = self.model.probabilities(found)?;
        // On the host: not every device has f64.
        let rows = if self.logits {
            found.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2()?
        } else {
            probable.clone()
        };
        let (classes, decisions) = (&self.model.classes, decisions(self.calibration()));
        if !std::mem::replace(&mut self.is_begun, true) {
            let fixed: &[&str] = if self.logits { &["image"] } else { &["image", "predicted"] };
            let columns = fixed.iter().copied().chain(classes.iter().map(String::as_str));
            let columns = columns.chain(decisions.iter().map(|(name, _)| *name));
            self.record(columns.map(|name| quoted(name).into_owned()))?;
        }
        for ((name, row), probable) in names.zip(rows).zip(probable) {
            // Ties go to the first class, as everywhere.
            let best =
                (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            let asked = self.class.unwrap_or(best);
            self.answers.push((asked, probable[asked]));
            let names = [name].into_iter().chain((!self.logits).then(|| classes[best].clone()));
            let names = names.map(|name| quoted(&name).into_owned());
            let numbers = row.iter().map(|&number| shortest(number as f32));
            let decided = decisions.iter().map(|(_, of)| quoted(&of(&row)).into_owned());
            self.record(names.chain(numbers).chain(decided))?;
        }
        Ok(())
    }

    /// What decides by probabilities; nothing decides by logits.
    fn calibration(&self) -> Option<&'a Calibration> {
        self.model.calibration.as_ref().filter(|_| !self.logits)
    }

    fn record(&mut self, fields: impl Iterator<Item = impl AsRef<[u8]>>) -> std::io::Result<()> {
        // The csv crate hides the kind of an error, by which a closed pipe is told from others.
        self.out.write_record(fields).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => std::io::Error::other(format!("{other:?}")),
        })
    }

    fn end(mut self) -> std::io::Result<Vec<Answer>> {
        self.out.flush()?;
        Ok(self.answers)
    }
}

/// A name, and the text for the probabilities of an image.
type Column<'a> = (&'static str, Box<dyn Fn(&[f64]) -> String + 'a>);

/// The columns of what a calibration decides. `decided` is empty where the image is left to a person; `set` has the classes that it may
/// be of, divided by `|`.
fn decisions(calibration: Option<&Calibration>) -> Vec<Column<'_>> {
    let Some(found) = calibration else { return Vec::new() };
    let mut columns: Vec<Column> = Vec::new();
    if found.decides() {
        let decided =
            |row: &[f64]| found.decide(row).map_or(String::new(), |class| found.classes[class].clone());
        columns.push(("decided", Box::new(decided)));
    }
    if let Some(sets) = &found.sets {
        let set = |row: &[f64]| {
            sets.of(row).into_iter().map(|class| &*found.classes[class]).collect::<Vec<_>>().join("|")
        };
        columns.push(("set", Box::new(set)));
    }
    columns
}

/// The fewest digits that read back as the same f32; `1.2e-7` below 10⁻⁴.
fn shortest(number: f32) -> String {
    let text = format!("{number:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Normalised values (R, 3, H, W) in f32.
fn values(file: &Path) -> anyhow::Result<Tensor> {
    tallow_data::check_file(file).map_err(Error::from)?;
    let values = Tensor::read_npy(file).map_err(|error| bad(file, &error))?;
    if !values.dtype().is_float() {
        let problem =
            format!("expected normalised values as floats, got {:?}; images go in as files", values.dtype());
        return Err(bad(file, &problem).into());
    }
    if values.rank() != 4 || values.dim(1)? != 3 || values.elem_count() == 0 {
        let problem = format!("expected normalised values (R, 3, H, W), got {:?}", values.dims());
        return Err(bad(file, &problem).into());
    }
    let values = values.to_dtype(DType::F32)?;
    if let Some(at) = values.flatten_all()?.to_vec1::<f32>()?.iter().position(|value| !value.is_finite()) {
        let row = at * values.dim(0)? / values.elem_count();
        return Err(bad(file, &format!("row {row} holds a value that is not finite")).into());
    }
    Ok(values)
}

/// The files named, and the images below the folders named, in name order; each once, however its path is spelled.
fn files(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let found = tallow_data::images_below(input)?;
            if found.is_empty() {
                let problem = format!("no image below it; expected files of {}", EXTENSIONS.join(", "));
                return Err(bad(input, &problem));
            }
            files.extend(found);
        } else if input.exists() {
            tallow_data::check_file(input)?;
            files.push(input.clone());
        } else {
            return Err(bad(input, &"no such file or folder"));
        }
    }
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    Ok(files)
}

/// The images that can be decoded; an error that names the others, unless they are to be skipped.
fn readable(
    files: Vec<PathBuf>,
    model: &Model,
    skip: bool,
    progress: &Progress,
) -> Result<Arc<dyn Dataset>, Error> {
    let row = |file: &PathBuf| Row { id: file.display().to_string(), label: 0, group: None };
    let (rows, count) = (files.iter().map(row).collect(), files.len());
    let images = Table::new("predict", model.classes.clone(), None, rows, Images::Files(files.into()))?;
    let images: Arc<dyn Dataset> = Arc::new(Subset::limited(Arc::new(images), model.plan.data.max_pixels));
    let bar = progress.bar("checking", Unit::Images, Some(count as u64));
    let broken = broken(&*images, model.plan.data.workers, &|_| bar.tick(1, &[]));
    drop(bar);
    if broken.is_empty() {
        return Ok(images);
    }
    let complaint = complaint(&broken, count, "", usize::MAX);
    if broken.len() == count {
        return Err(Error::Data(format!("{complaint}\nexpected at least one that can")));
    }
    if !skip {
        let remedy = "fetch them again, or write --skip-broken to go on without them";
        return Err(Error::Data(format!("{complaint}\n{remedy}")));
    }
    progress.note(&format!("left out: {complaint}"));
    Ok(Arc::new(Subset::without(images, &broken)))
}

/// Refuses images that the evaluation transform leaves at different sizes: they make no batch.
fn one_size(images: &dyn Dataset, model: &Model) -> Result<(), Error> {
    let chain = &model.transforms.evaluation;
    if chain.output_size().is_some() {
        return Ok(());
    }
    let mut first = None;
    for index in 0..images.len() {
        let stored = tallow_data::size(&images.image(index)?)?;
        let Some((width, height)) = chain.output_size_from(Some(stored)) else { continue };
        let (expected_width, expected_height) = *first.get_or_insert((width, height));
        if (width, height) != (expected_width, expected_height) {
            let problem = format!(
                "{width} by {height} pixels, expected {expected_width} by {expected_height} as the first; the \
                 checkpoint's evaluation does not resize: ask about one size at a time"
            );
            return Err(bad(Path::new(images.id(index)), &problem));
        }
    }
    Ok(())
}

fn bad(file: &Path, problem: &dyn std::fmt::Display) -> Error {
    Error::Data(format!("{}: {problem}", file.display()))
}
