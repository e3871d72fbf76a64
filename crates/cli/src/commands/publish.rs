//! `publish CHECKPOINT --repo OWNER/NAME`: a checkpoint into a repository of the hub.

use super::checkpoint;
use crate::arguments::Publish;
use std::io::Write;
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Assembled, Error, PublishOptions, assemble};

pub fn publish(arguments: &Publish, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let place = checkpoint(&arguments.checkpoint)?;
    let beside = place.join("state.json").is_file().then(|| place.with_file_name("publish"));
    let Some(out) = arguments.out.clone().or(beside) else {
        let problem =
            "is in no run's folder, where the files could be put together; name a folder for them: --out DIR";
        return Err(Error::recipe(format!("{}: {problem}", place.display())).into());
    };
    let (repository, _) = arguments.repo.split_once('@').unwrap_or((&arguments.repo, ""));
    if repository.split('/').filter(|part| !part.is_empty()).count() != 2 {
        let problem = format!("--repo {}: expected owner/name, such as me/lesions", arguments.repo);
        return Err(Error::recipe(problem).into());
    }
    #[cfg(feature = "hub")]
    arguments
        .repo
        .parse::<tallow_hub::Reference>()
        .map_err(|error| Error::recipe(format!("--repo: {error}")))?;
    let options = PublishOptions {
        repository: repository.to_owned(),
        license: arguments.license.clone(),
        data_license: arguments.data_license.clone(),
        without_report: arguments.no_report,
    };
    let assembled = assemble(&place, &out, &options, registry)?;
    assembled.notes.iter().for_each(|note| progress.note(note));
    let mut stdout = std::io::stdout().lock();
    for (_, path) in &assembled.files {
        let size = std::fs::metadata(path)?.len();
        writeln!(stdout, "{size:>12}  {}", path.display())?;
    }
    if arguments.dry_run {
        return Ok(writeln!(stdout, "dry run: nothing was sent to {repository}")?);
    }
    drop(stdout);
    send(arguments, &assembled, &progress)
}

#[cfg(feature = "hub")]
fn send(arguments: &Publish, assembled: &Assembled, progress: &Progress) -> anyhow::Result<()> {
    let mut transfers = tallow_train::Transfers::new(progress);
    let upload = tallow_hub::Upload {
        repository: &arguments.repo,
        private: arguments.private,
        create_pr: arguments.create_pr,
        message: concat!("tallow ", env!("CARGO_PKG_VERSION"), ": model, card, report, recipe"),
        files: &assembled.files,
        guarded: Some(("README.md", &tallow_train::is_own_card)),
    };
    let published = tallow_hub::Hub::from_env().publish(&upload, &mut |at| transfers.show(at));
    let published = published.map_err(Error::from)?;
    for name in &published.there {
        progress.note(&format!("{name} is there already: not sent again"));
    }
    if let Some(name) = &published.kept {
        progress.note(&format!("{name} of the repository was written by somebody else: left as it is"));
    }
    Ok(writeln!(std::io::stdout(), "{}", published.address)?)
}

#[cfg(not(feature = "hub"))]
fn send(_: &Publish, _: &Assembled, _: &Progress) -> anyhow::Result<()> {
    let remedy = "build with the feature `hub` (on by default), or write the folder alone with --dry-run";
    Err(Error::recipe(format!("publish: this build has no hub client; {remedy}")).into())
}
