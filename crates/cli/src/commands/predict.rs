//! `predict CHECKPOINT IMAGE …`: what a checkpoint says of images, as CSV.

use super::checkpoint;
use crate::arguments::Predict;
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use tallow_data::{Encoded, Pixels, decode};
use tallow_models::Mode;
use tallow_policy::Registry;
use tallow_report::{Progress, Unit};
use tallow_seed::Seed;
use tallow_train::{Error, Model, probabilities};

const EXTENSIONS: [&str; 7] = ["jpg", "jpeg", "png", "bmp", "tif", "tiff", "webp"];

pub fn predict(arguments: &Predict, registry: &Registry) -> anyhow::Result<()> {
    let place = checkpoint(&arguments.checkpoint)?;
    let device = format!("device={}", arguments.device);
    let progress = Progress::stderr();
    let model = Model::open(&place, &[device], registry, &progress)?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let predicted = if arguments.logits { "" } else { ",predicted" };
    let classes: Vec<String> = model.classes.iter().map(|class| quoted(class)).collect();
    writeln!(out, "image{predicted},{}", classes.join(","))?;
    if let [file] = &arguments.inputs[..]
        && file.extension().is_some_and(|extension| extension == "npy")
    {
        let values = Tensor::read_npy(file).map_err(|error| bad(file, &error))?;
        if !values.dtype().is_float() {
            let problem = format!(
                "expected normalised values as floats, got {:?}; images go in as files",
                values.dtype()
            );
            return Err(bad(file, &problem).into());
        }
        let values = values.to_dtype(DType::F32)?;
        if let Some(at) = values.flatten_all()?.to_vec1::<f32>()?.iter().position(|value| !value.is_finite())
        {
            let row = at * values.dim(0)? / values.elem_count();
            return Err(bad(file, &format!("row {row} holds a value that is not finite")).into());
        }
        let values = values.to_device(&model.device)?;
        if values.rank() != 4 || values.dim(1)? != 3 {
            let problem = format!("expected normalised values (R, 3, H, W), got {:?}", values.dims());
            return Err(bad(file, &problem).into());
        }
        let rows = values.dim(0)?;
        for start in (0..rows).step_by(model.plan.data.batch) {
            let part = values.narrow(0, start, model.plan.data.batch.min(rows - start))?.contiguous()?;
            let names: Vec<String> = (start..rows).map(|row| row.to_string()).collect();
            write_rows(&mut out, &model, &part, &names, arguments.logits)?;
        }
        return Ok(out.flush()?);
    }
    let files = images(&arguments.inputs)?;
    let bar = progress.bar("predict", Unit::Images, Some(files.len() as u64));
    for batch in files.chunks(model.plan.data.batch) {
        let mut pixels = Pixels { rows: 0, height: 0, width: 0, bytes: Vec::new() };
        for file in batch {
            let image = decode(&Encoded::File(file.clone())).map_err(|error| named(file, error))?;
            let image = model.plan.evaluation.run(image, Seed::new(0)).map_err(Error::from)?;
            let size = (image.width as usize, image.height as usize);
            if pixels.rows > 0 && size != (pixels.width, pixels.height) {
                let (width, height) = size;
                let problem = format!(
                    "{width} by {height} pixels, expected {} by {} as before it; the checkpoint's evaluation does not resize",
                    pixels.width, pixels.height
                );
                return Err(bad(file, &problem).into());
            }
            (pixels.width, pixels.height) = size;
            pixels.rows += 1;
            pixels.bytes.extend(image.pixels);
        }
        let names: Vec<String> = batch.iter().map(|file| quoted(&file.display().to_string())).collect();
        write_rows(&mut out, &model, &model.upload(&pixels)?, &names, arguments.logits)?;
        bar.tick(batch.len() as u64, &[]);
    }
    Ok(out.flush()?)
}

fn write_rows(
    out: &mut impl Write,
    model: &Model,
    values: &Tensor,
    names: &[String],
    logits: bool,
) -> anyhow::Result<()> {
    let found = model.network.forward(values, &Mode::Eval)?;
    // On the host: not every device has f64.
    let found = found.to_device(&Device::Cpu)?;
    let rows = if logits { found.to_dtype(DType::F64)?.to_vec2()? } else { probabilities(&found)? };
    for (name, row) in names.iter().zip(rows) {
        let numbers: Vec<String> = row.iter().map(f64::to_string).collect();
        if logits {
            writeln!(out, "{name},{}", numbers.join(","))?;
        } else {
            // Ties go to the first class, as everywhere.
            let best =
                (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
            writeln!(out, "{name},{},{}", quoted(&model.classes[best]), numbers.join(","))?;
        }
    }
    Ok(())
}

/// The files named, and the images below the folders named, in name order.
fn images(inputs: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let mut found = BTreeSet::new();
        let mut folders = vec![input.clone()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).map_err(Error::io(&folder))?;
            for entry in entries {
                let path = entry.map_err(Error::io(&folder))?.path();
                let extension =
                    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
                if path.is_dir() {
                    folders.push(path);
                } else if EXTENSIONS.contains(&extension.as_str()) {
                    found.insert(path);
                }
            }
        }
        if found.is_empty() {
            return Err(bad(
                input,
                &format!("no image below it; expected files of {}", EXTENSIONS.join(", ")),
            ));
        }
        files.extend(found);
    }
    Ok(files)
}

/// An error of decoding, with the file that it does not name itself.
fn named(file: &Path, error: tallow_data::Error) -> Error {
    match error {
        tallow_data::Error::Image(problem) => bad(file, &problem),
        other => other.into(),
    }
}

fn bad(file: &Path, problem: &dyn std::fmt::Display) -> Error {
    Error::Data(format!("{}: {problem}", file.display()))
}

/// A CSV field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
