//! Images of a plan that are the same to the byte in two parts or under two labels, found, and left out where the plan says so.

use super::data::Named;
use crate::Result;
use crate::plan::Plan;
use std::sync::Arc;
use tallow_data::{Dataset, Decoded, Identical, Subset};

/// Those that there are. Drawn images are made when they are asked for, and not compared.
pub(super) fn copies(parts: &Named, decoded: &Decoded, plan: &Plan) -> Result<Identical> {
    if plan.data.source.name == "synthetic" {
        return Ok(Identical::default());
    }
    let named: Vec<(&str, &dyn Dataset)> = parts.iter().map(|(name, part)| (*name, &**part)).collect();
    Ok(tallow_data::identical(&named, decoded, plan.data.workers)?)
}

/// Leaves them out of the parts, where the plan says so.
pub(super) fn without_copies(
    parts: &mut Named,
    decoded: &Decoded,
    plan: &Plan,
    notes: &mut Vec<String>,
) -> Result<()> {
    if !plan.data.drop_copies {
        return Ok(());
    }
    let found = copies(parts, decoded, plan)?;
    let surplus = found.surplus();
    if surplus.is_empty() {
        return Ok(());
    }
    let mut left_out = Vec::new();
    for (name, part) in parts.iter_mut() {
        let stays = |row: &u32| !surplus.contains(&(*name, part.id(*row as usize)));
        let kept: Vec<u32> = (0..part.len() as u32).filter(stays).collect();
        if kept.len() < part.len() {
            left_out.push(format!("{} of {} {name} images", part.len() - kept.len(), part.len()));
            *part = Arc::new(Subset::new(part.clone(), kept));
        }
    }
    let problems = found.problems().join("; ");
    notes.push(format!("left out by data.copies: {} ({problems})", left_out.join(", ")));
    Ok(())
}
