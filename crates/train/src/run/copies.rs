//! Images of a plan that are the same to the byte in two parts or under two labels: refused, left out, or allowed.

use super::data::Named;
use crate::plan::Plan;
use crate::{Error, Result};
use std::sync::Arc;
use tallow_data::{Dataset, Identical, Subset, counted};

/// Those that there are. Drawn images are made when they are asked for, and not compared.
fn copies(parts: &Named, plan: &Plan) -> Result<Identical> {
    if plan.data.source.name == "synthetic" {
        return Ok(Identical::default());
    }
    let named: Vec<(&str, &dyn Dataset)> = parts.iter().map(|(name, part)| (*name, &**part)).collect();
    Ok(tallow_data::identical(&named, plan.data.workers)?)
}

/// Leaves them out of the parts, where the plan says so.
pub fn without_copies(parts: &mut Named, plan: &Plan, notes: &mut Vec<String>) -> Result<()> {
    if !plan.data.drop_copies {
        return Ok(());
    }
    let found = copies(parts, plan)?;
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

/// No image is in two parts or under two labels, the same to the byte, unless the plan allows it.
pub fn distinct(parts: &Named, plan: &Plan, notes: &mut Vec<String>) -> Result<()> {
    if plan.data.source.name == "synthetic" {
        return Ok(());
    }
    let problems = copies(parts, plan)?.problems();
    if problems.is_empty() {
        let images = counted(parts.iter().map(|(_, part)| part.len()).sum::<usize>(), "image");
        notes.push(format!(
            "no two of {images} in different parts or classes are the same to the byte (checked)"
        ));
    } else if plan.data.drop_copies {
        // A test part stays as it was given.
        notes.extend(problems.iter().map(|problem| format!("left in the test part: {problem}")));
    } else if plan.data.allow_leak {
        notes.extend(problems.iter().map(|problem| format!("allowed by data.allow_leak: {problem}")));
    } else {
        let remedy = "or leave them out, `copies: drop` below data, on a command line data.copies=drop; or go on in spite of \
                      it, which is recorded: `allow_leak: true`, data.allow_leak=true";
        return Err(Error::Data(format!("{}\n{remedy}", problems.join("\n"))));
    }
    Ok(())
}
