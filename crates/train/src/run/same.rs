//! Whether the ranks of a training have the same.

use crate::{Error, Result};
use tallow_ranks::Ranks;

/// Compares what each rank has: (what it is, a text without zeros), the same list on all of them.
///
/// # Errors
/// The first rank that differs from rank 0, and in what; a rank that does not answer.
pub fn same(ranks: &dyn Ranks, own: &[(&str, String)]) -> Result<()> {
    // One may have a slower disk than the others.
    ranks.meet()?;
    let told = own.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("\0");
    let all = ranks.gather(told.into_bytes())?;
    let of =
        |rank: usize| String::from_utf8_lossy(&all[rank]).split('\0').map(str::to_owned).collect::<Vec<_>>();
    let first = of(0);
    for rank in 1..all.len() {
        let this = of(rank);
        if let Some(((what, _), (a, b))) =
            own.iter().zip(first.iter().zip(&this)).find(|(_, (first, this))| first != this)
        {
            return Err(Error::Recipe(vec![format!(
                "ranks {rank} and 0 differ in their {what} ({b} and {a}); start all ranks with the same program, recipe and data"
            )]));
        }
    }
    Ok(())
}
