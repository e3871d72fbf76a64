//! Parquet files of a Hugging Face dataset, downloaded once into the hub's own cache.

use super::parquet::Files;
#[cfg(not(feature = "hub"))]
use crate::Error;
use crate::Result;

/// The parquet conversion of a dataset, `owner/name`, by part. Environment: `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and their kin
/// as in Python; with `HF_HUB_OFFLINE` only the cache is read. `config` may be left out where there is one.
#[cfg(feature = "hub")]
pub fn parquet(dataset: &str, config: Option<&str>) -> Result<Files> {
    online::parquet(dataset, config)
}

/// A build without the hub can only say so.
#[cfg(not(feature = "hub"))]
pub fn parquet(dataset: &str, _config: Option<&str>) -> Result<Files> {
    Err(Error::missing(
        format!("hub dataset {dataset}"),
        "this build has no access to the hub",
        "build with `--features hub` (it is on by default), or download its parquet files and use data.root=…",
    ))
}

#[cfg(feature = "hub")]
mod online {
    use std::collections::BTreeSet;
    use std::path::Path;

    use hf_hub::HFClientSync;

    use super::super::parquet::{Files, below};
    use crate::readers::files::{Links, sorted};
    use crate::{Error, Result, suggestion};

    /// Where the hub keeps the parquet conversion of every dataset: `<config>/<split>/0000.parquet`.
    const REVISION: &str = "refs/convert/parquet";

    pub fn parquet(dataset: &str, config: Option<&str>) -> Result<Files> {
        let offline = std::env::var("HF_HUB_OFFLINE").is_ok_and(|value| !matches!(value.as_str(), "" | "0"));
        parquet_of(HFClientSync::new(), offline, dataset, config)
    }

    /// With `offline`, the client is asked for nothing that is not in its cache.
    fn parquet_of(
        client: hf_hub::HFResult<HFClientSync>,
        offline: bool,
        dataset: &str,
        config: Option<&str>,
    ) -> Result<Files> {
        let Some((owner, name)) = dataset.split_once('/') else {
            return Err(Error::option("hub", format!("expected owner/name, got `{dataset}`")));
        };
        let place = format!("hub dataset {dataset}");
        let failed = |error: hf_hub::HFError| {
            let remedy = if offline {
                "HF_HUB_OFFLINE is set, so only the cache was read; unset it to download"
            } else {
                "check the name and the network; HF_HUB_OFFLINE=1 reads the cache alone; or download the parquet files and \
                 use data.root=…"
            };
            Error::missing(&place, error.to_string(), remedy)
        };
        let repository = client.map_err(failed)?.dataset(owner, name);
        let snapshot = repository.snapshot_download().revision(REVISION);
        let folder = if offline {
            let folder = snapshot.local_files_only(true).send().map_err(failed)?;
            let configs = sorted(&folder)?.into_iter().filter(|path| path.is_dir());
            let configs =
                configs.filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
            let config = choose(configs.collect(), config, &place)?;
            folder.join(config)
        } else {
            let info = repository.info().revision(REVISION).send().map_err(failed)?;
            let files = info.siblings.unwrap_or_default().into_iter().map(|file| file.rfilename);
            let configs = files
                .filter(|file| file.ends_with(".parquet"))
                .filter_map(|file| file.split_once('/').map(|(config, _)| config.to_string()));
            let config = choose(configs.collect(), config, &place)?;
            let pattern = format!("{config}/**/*.parquet");
            snapshot.allow_patterns(vec![pattern]).send().map_err(failed)?.join(config)
        };
        // The hub's cache holds links to files.
        let files = below(Path::new(&folder), Links::Followed)?;
        if files.is_empty() {
            return Err(Error::invalid(
                place,
                "expected parquet files of train, validation or test, got none",
            ));
        }
        Ok(files)
    }

    fn choose(configs: BTreeSet<String>, asked: Option<&str>, place: &str) -> Result<String> {
        let list = || configs.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match asked {
            _ if configs.is_empty() => Err(Error::invalid(place, "has no parquet conversion")),
            Some(name) if configs.contains(name) => Ok(name.to_string()),
            Some(name) => {
                let near = suggestion(name, configs.iter().map(String::as_str));
                Err(Error::option("config", format!("no such configuration `{name}`{near}")))
            }
            None if configs.len() == 1 => Ok(configs.first().expect("one").clone()),
            None => Err(Error::option("config", format!("expected one of {}, got none", list()))),
        }
    }

    #[cfg(test)]
    mod tests;
}
