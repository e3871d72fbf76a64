//! `preview RECIPE`: pictures of what the policies do.

use crate::arguments::Preview;
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_report::Progress;
use tallow_train::{Data, Plan};

pub fn preview(arguments: &Preview, registry: &Registry) -> anyhow::Result<()> {
    let plan = Plan::read(&arguments.recipe, &arguments.overrides, registry)?;
    let data = Data::open(&plan, &Progress::stderr())?;
    let sheets = tallow_train::preview(&plan, &data, arguments.batch, arguments.tiles)?;
    for (index, sheet) in sheets.iter().enumerate() {
        let path = if sheets.len() == 1 { arguments.out.clone() } else { numbered(&arguments.out, index) };
        sheet.sheet.write(&path)?;
        println!("{}", path.display());
    }
    Ok(())
}

/// `preview.png` → `preview_0.png`.
fn numbered(path: &Path, index: usize) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}_{index}.png"))
}
