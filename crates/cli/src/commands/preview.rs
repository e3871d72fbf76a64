//! `preview RECIPE`: pictures of what the policies do.

use super::train::folder_of;
use super::{plan, refused, writable};
use crate::arguments::Preview;
use std::path::{Path, PathBuf};
use tallow_policy::Registry;
use tallow_report::{Progress, Sheet};
use tallow_train::Error;

pub fn preview(arguments: &Preview, registry: &Registry) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let plan = plan(&arguments.recipe, &arguments.overrides, registry, &progress)?;
    // Nothing is made before there is something to show, but for what was asked for.
    arguments.out.as_deref().map_or(Ok(()), ready)?;
    let out = arguments.out.clone().unwrap_or_else(|| folder_of(&plan).join("preview.png"));
    let tiles = usize::from(arguments.tiles);
    let sheets = tallow_train::preview(plan, arguments.batch, tiles, &progress)?;
    let sheets: Vec<&Sheet> = sheets.iter().map(|preview| &preview.sheet).collect();
    ready(&out)?;
    write(&out, &sheets)?.iter().for_each(|path| println!("{}", path.display()));
    Ok(())
}

/// Writes pictures: one to the path, several beside it, `preview.png` → `preview_0.png`. Returns where.
pub fn write(path: &Path, sheets: &[&Sheet]) -> anyhow::Result<Vec<PathBuf>> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let one = |(index, sheet): (usize, &&Sheet)| {
        let alone = sheets.len() == 1;
        let path = if alone { path.to_owned() } else { path.with_file_name(format!("{stem}_{index}.png")) };
        sheet.write(&path)?;
        Ok(path)
    };
    sheets.iter().enumerate().map(one).collect()
}

/// Makes the folders above a path. Refuses one that is no PNG's or cannot be written.
pub fn ready(path: &Path) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::recipe(format!("--out {}: {problem}", path.display())));
    if path.is_dir() {
        return refuse(format!(
            "is a folder; name the picture too: --out {}",
            path.join("preview.png").display()
        ));
    }
    if path.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("png")) {
        let other = path.with_extension("png");
        return refuse(format!("pictures are written as PNG; name one: --out {}", other.display()));
    }
    if let Some(Err(error)) = path.parent().map(std::fs::create_dir_all) {
        return Err(refused("--out", path, error));
    }
    writable("--out", path)
}
