//! `train RECIPE`: the main job.

use crate::arguments::{Sweep, Train, typed};
use crate::wrap::wrapped;
use crate::{ranks, signals};
use anyhow::Context;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tallow_data::counted;
use tallow_policy::Registry;
use tallow_ranks::{Alone, Ranks};
use tallow_report::Progress;
use tallow_train::{Earlier, Error, Fitted, Folder, Plan, Run, Start, Stop};

pub fn train(arguments: &Train, registry: &Registry) -> anyhow::Result<()> {
    let joined = ranks::join()?;
    let is_first = joined.index() == 0;
    let progress = ranks::progress(&*joined);
    let run_folder = arguments.recipe.is_dir().then(|| super::run_of(&arguments.recipe).to_owned());
    if arguments.dry_run && (arguments.resume || arguments.resume_or_start) {
        let problem = "--dry-run tries the first step of a new run, which --resume and --resume-or-start do not take; leave one of them out";
        return Err(Error::recipe(problem).into());
    }
    let earlier = match arguments {
        Train { resume: true, .. } => Earlier::Resume,
        Train { resume_or_start: true, .. } => Earlier::ResumeOrStart,
        Train { overwrite: true, .. } => Earlier::Overwrite,
        _ => Earlier::Refuse,
    };
    let read = |overrides: &[String]| match &run_folder {
        Some(folder) => Plan::of_run(folder, overrides, registry),
        None => Plan::read(&arguments.recipe, overrides, registry),
    };
    let mut plan = read(&arguments.overrides)?;
    let place = arguments.out.clone().or(run_folder.clone()).unwrap_or_else(|| folder_of(&plan));
    let goes_on = matches!(earlier, Earlier::Resume | Earlier::ResumeOrStart);
    plan = match ranks::shards_of(&place).filter(|_| goes_on && !plan.has_shards()) {
        // A run goes on with the shards that it has.
        Some(1) => plan,
        Some(shards) => read(&[&arguments.overrides[..], &[format!("shards={shards}")]].concat())?,
        None => ranks::plan(&*joined, read, &arguments.overrides)?,
    };
    if let Some(few) = ranks::few_processors() {
        progress.note(&format!("warning: {few}"));
    }
    if joined.count() > 1 && !plan.repeats.is_one() {
        let problem = "trains several runs; ranks share those by `tallow sweep RECIPE --array`, each training some of them";
        return Err(Error::recipe(format!("a recipe with `seeds` or `folds` {problem}")).into());
    }
    if arguments.dry_run {
        plan.check_ranks(joined.count())?;
        if !is_first {
            return Ok(());
        }
    }
    if !plan.repeats.is_one() {
        return several(arguments, plan, registry, &progress);
    }
    if arguments.dry_run {
        dry_run(Run::build(plan, Start::Recipe, &progress)?, arguments.json, &progress)?;
        if let Err(refusal) = Folder::look(&place, earlier) {
            progress.note(&format!("note: the run itself would be refused: {refusal}"));
        }
        return Ok(());
    }
    let (run, fitted, _) = among(plan, &place, earlier, &progress, signals::watch, joined)?;
    if !is_first {
        return Ok(());
    }
    let measured = tallow_train::measured(&fitted.predictions, run.data.validation.group_name());
    let mut out = std::io::stdout().lock();
    if arguments.json {
        let mut validation = serde_json::to_value(&fitted.summary)?;
        validation["intervals"] = tallow_train::intervals(&fitted.predictions, &measured.headline);
        tallow_train::add_class_intervals(&mut validation, &measured.per_class);
        let result = json!({
            "folder": place,
            "best": { "epoch": fitted.best.epoch, "value": fitted.best.value, "metric": run.plan().select.name },
            "epochs": fitted.epochs,
            "steps": fitted.steps,
            "stopped_early": fitted.stopped_early,
            "seconds": fitted.seconds,
            "validation": validation,
            "last": fitted.last,
            "warnings": fitted.warnings.iter().chain(&run.warnings).collect::<Vec<_>>(),
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?;
    } else {
        if let Some(ending) = tallow_train::ending(&run, &fitted) {
            writeln!(out, "\n{}", wrapped(&ending, 0))?;
        }
        writeln!(out, "\nvalidation, epoch {} (best {}):\n", fitted.best.epoch, run.plan().select.name)?;
        let table = tallow_report::table(&fitted.summary.per_class, &measured.per_class, &measured.headline);
        writeln!(out, "{table}")?;
        writeln!(out, "{}", wrapped(&tallow_train::claim(&run, &fitted), 0))?;
        writeln!(out, "report: {}", place.join("report.html").display())?;
        if let Some(test) = &run.data.test {
            let images = counted(test.len(), "image");
            writeln!(
                out,
                "test:   {images}, not looked at yet: tallow eval {} --split test",
                quoted(&place)
            )?;
        }
    }
    Ok(())
}

/// A recipe with seeds or folds is run as `sweep` runs it.
fn several(arguments: &Train, first: Plan, registry: &Registry, progress: &Progress) -> anyhow::Result<()> {
    if arguments.overwrite {
        let problem = "a recipe with `seeds` or `folds` replaces no run, and goes on with those that were ended; \
                       remove the folders that are to be new, or write elsewhere with --out DIR";
        return Err(Error::recipe(format!("--overwrite: {problem}")).into());
    }
    let words = ["--".into(), arguments.recipe.clone().into_os_string()];
    let sweep: Sweep = typed(words.into_iter().chain(arguments.overrides.iter().map(Into::into)))?;
    let sweep = Sweep { out: arguments.out.clone(), json: arguments.json, ..sweep };
    if arguments.dry_run {
        dry_run(Run::build(first, Start::Recipe, progress)?, arguments.json, progress)?;
        // Two answers in JSON are none.
        return if arguments.json {
            Ok(())
        } else {
            super::sweep::sweep(&Sweep { dry_run: true, ..sweep }, registry)
        };
    }
    super::sweep::sweep(&sweep, registry)
}

/// Trains a plan in a folder to its end, and writes the report; the folder is locked until it is dropped. `watch` gives what
/// asks it to stop.
pub fn to_the_end(
    plan: Plan,
    place: &Path,
    earlier: Earlier,
    progress: &Progress,
    watch: impl FnOnce() -> std::io::Result<Arc<Stop>>,
) -> anyhow::Result<(Run, Fitted, Folder)> {
    among(plan, place, earlier, progress, watch, Arc::new(Alone))
}

/// The same together with other processes, the first of which writes.
fn among(
    plan: Plan,
    place: &Path,
    earlier: Earlier,
    progress: &Progress,
    watch: impl FnOnce() -> std::io::Result<Arc<Stop>>,
    ranks: Arc<dyn Ranks>,
) -> anyhow::Result<(Run, Fitted, Folder)> {
    let folder = folder_among(place, &plan, earlier, &*ranks)?;
    progress.hold();
    let trained = trained(plan, &folder, progress, watch, ranks);
    let last = trained
        .as_ref()
        .err()
        .map(|error| error.downcast_ref::<Error>().map_or(format!("error: {error:#}"), Error::last_words));
    progress.let_go(last.as_deref());
    let (run, fitted) = trained?;
    Ok((run, fitted, folder))
}

/// The folder of a run: the first rank looks at it, and the others go on from what it found.
fn folder_among(place: &Path, plan: &Plan, earlier: Earlier, ranks: &dyn Ranks) -> Result<Folder, Error> {
    let found = (ranks.index() == 0).then(|| Folder::inspect(place, plan, earlier)).transpose()?;
    let resume = found.as_ref().and_then(|folder| folder.resume.as_ref());
    let told = resume.map_or(Vec::new(), |place| place.as_os_str().as_encoded_bytes().to_vec());
    let told = ranks.gather(told)?.swap_remove(0);
    let resume = (!told.is_empty()).then(|| PathBuf::from(String::from_utf8_lossy(&told).into_owned()));
    Ok(found.unwrap_or_else(|| Folder::of_another_rank(place, resume)))
}

fn trained(
    plan: Plan,
    folder: &Folder,
    progress: &Progress,
    watch: impl FnOnce() -> std::io::Result<Arc<Stop>>,
    ranks: Arc<dyn Ranks>,
) -> anyhow::Result<(Run, Fitted)> {
    let start = folder.resume.as_deref().map_or(Start::Recipe, Start::Checkpoint);
    let run = Run::build_among(plan, start, progress, ranks)?;
    introduce(&run, progress)?;
    folder.notes.iter().for_each(|note| progress.note(note));
    let stop = watch().context("cannot watch for signals")?;
    let fitted = tallow_train::fit(&run, folder, progress, &stop)?;
    if folder.is_written() {
        tallow_train::report(&run, folder, &fitted)?;
    }
    fitted.warnings.iter().for_each(|warning| progress.note(&format!("warning: {warning}")));
    Ok((run, fitted))
}

/// The run's folder of a recipe, where none is named.
pub fn folder_of(plan: &Plan) -> PathBuf {
    Path::new("checkpoints").join(&plan.name)
}

/// A path, or another word, as a shell reads it.
pub fn quoted(word: &Path) -> String {
    let text = word.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || "._-/+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// What is about to be trained, on stderr.
fn introduce(run: &Run, progress: &Progress) -> anyhow::Result<()> {
    let (plan, model) = (run.plan(), &run.model);
    let policy = plan.preset.as_deref().unwrap_or("branches of its own");
    let millions = model.params.size() as f64 / 1e6;
    progress.note(&format!(
        "{}: {} ({millions:.2} M parameters), policy {policy}",
        plan.name, plan.model.spec.name
    ));
    let test = run.data.test.as_ref().map_or(String::new(), |test| format!(", test {}", test.len()));
    let (train, validation) = (run.data.train.len(), run.data.validation.len());
    progress.note(&format!(
        "{}: {}, train {train}, validation {validation}{test}; {}",
        plan.data.source.name,
        counted(model.classes.len(), "class"),
        tallow_train::device_name(&model.device)
    ));
    run.data.counts().lines().for_each(|line| progress.note(line));
    run.notes.iter().for_each(|note| progress.note(&format!("  {note}")));
    run.warnings.iter().for_each(|warning| progress.note(&format!("warning: {warning}")));
    if let Some(memory) = run.memory()? {
        let (said, is_warning) = memory.describe();
        progress.note(&format!("{}{said}", if is_warning { "warning: " } else { "  " }));
    }
    Ok(())
}

/// One step and one evaluation batch; nothing is written.
fn dry_run(run: Run, json: bool, progress: &Progress) -> anyhow::Result<()> {
    introduce(&run, progress)?;
    let found = tallow_train::dry_run(&run, progress)?;
    let mut out = std::io::stdout().lock();
    if json {
        let result = json!({
            "steps_per_epoch": found.steps_per_epoch,
            "steps": found.steps,
            "loss": found.loss,
            "lr": found.lr,
            "kernel_calls": found.kernel_calls,
            "validation_rows": found.evaluated,
        });
        return Ok(writeln!(out, "{}", serde_json::to_string_pretty(&result)?)?);
    }
    writeln!(out, "dry run: everything fits")?;
    writeln!(out, "  steps per epoch    {}", found.steps_per_epoch)?;
    writeln!(out, "  steps in all       {}", found.steps)?;
    writeln!(out, "  loss of step 1     {:.6}", found.loss)?;
    writeln!(out, "  lr of step 1       {:.3e}", found.lr)?;
    writeln!(out, "  kernel calls       {}", found.kernel_calls)?;
    writeln!(out, "  validation rows    {} (one batch)", found.evaluated)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::quoted;
    use std::path::Path;

    #[test]
    fn paths_are_quoted_where_a_shell_would_cut_them() {
        let of = |text: &str| quoted(Path::new(text));
        assert_eq!(of("checkpoints/a_b-1.0"), "checkpoints/a_b-1.0");
        assert_eq!(of("my runs/a's"), "'my runs/a'\\''s'");
    }
}
