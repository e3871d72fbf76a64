//! A comparison for the board.

use super::{found, page, resampling, runs::models, settings};
use crate::arguments::{Compare, typed};
use std::ffi::OsString;
use std::path::PathBuf;
use tallow_policy::Registry;
use tallow_report::{Progress, Section};

/// What `tallow compare RUN RUN … --metric METRIC` finds of predictions that are there, as a part of a page.
pub fn section(runs: Vec<PathBuf>, metric: &str, registry: &Registry) -> anyhow::Result<Section> {
    let words = ["--metric", metric, "--"].map(OsString::from);
    let arguments: Compare = typed(words.into_iter().chain(runs.into_iter().map(OsString::from)))?;
    let how = resampling(&arguments)?;
    let mut models = models(&arguments, registry, &Progress::hidden())?;
    let (metrics, how) = settings(&arguments, &mut models, how)?;
    let found = found(&arguments, &metrics, &models, how)?;
    let page = page::page(&found);
    let first = page.sections.into_iter().next().expect("a page of one section");
    Ok(Section { note: format!("{} {}", page.subject, first.note), ..first })
}
