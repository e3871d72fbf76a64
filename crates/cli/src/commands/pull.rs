//! `pull REPO[@REVISION]`: a model of the hub into the cache.

use crate::arguments::Pull;
use tallow_train::Error;

#[cfg(feature = "hub")]
pub fn pull(arguments: &Pull) -> anyhow::Result<()> {
    use std::io::Write;
    use tallow_report::Progress;
    use tallow_train::Transfers;

    const BESIDE: [&str; 5] = ["config.json", "recipe.yaml", "metrics.json", "README.md", "report.html"];
    let (hub, progress) = (tallow_hub::Hub::from_env(), Progress::stderr());
    let mut transfers = Transfers::new(&progress);
    let Pull { repository, files } = arguments;
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let fetched = match files.is_empty() {
        true => hub.pull(repository, &BESIDE, &mut |at| transfers.show(at)),
        false => hub.fetch(repository, &files, &mut |at| transfers.show(at)),
    };
    let fetched = fetched.map_err(Error::from)?;
    progress.note(&format!(
        "{repository}: {} of commit {}",
        tallow_data::counted(fetched.files.len(), "file"),
        fetched.commit
    ));
    Ok(writeln!(std::io::stdout(), "{}", fetched.folder.display())?)
}

#[cfg(not(feature = "hub"))]
pub fn pull(_: &Pull) -> anyhow::Result<()> {
    Err(Error::recipe("pull: this build has no hub client; build with the feature `hub` (on by default)")
        .into())
}
