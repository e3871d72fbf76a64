//! The rows of a whole batch, from its shards.

use crate::cpu::element::{Element, tensor, view};
use crate::cpu::parallel::zip;
use crate::dispatch::{Op, apply};
use crate::graph::{Backward, OperandGradients, Output};
use crate::shards::{self, Shard, received, sent};
use candle_core::{Result, Tensor, bail};
use std::ops::Range;
use std::sync::Arc;

/// The rows of all shards in their order: `x` (r, …) of the shard that this thread is in, see [`in_shard`](crate::in_shard), → (R, …). The
/// gradient of a shard's rows is the sum, in the order of the shards, of what each of them has for these rows. Outside of shards
/// it is `x`.
///
/// # Errors
/// Fails on a GPU, and where another shard fails or has rows of another size.
pub fn gather_rows(x: &Tensor) -> Result<Tensor> {
    let Some(shard) = shards::current() else { return Ok(x.clone()) };
    apply("gather_rows", GatherRows(shard), &[x])
}

struct GatherRows(Arc<dyn Shard>);

impl Op for GatherRows {
    fn cpu<T: Element>(&self, x: &[Tensor]) -> Result<Option<Output>> {
        let width = x[0].elem_count() / x[0].dim(0)?.max(1);
        let (mut all, mut rows, mut own) = (Vec::new(), vec![0], 0..0);
        for (index, bytes) in self.0.gather(sent(&view::<T>(&x[0])?))?.iter().enumerate() {
            let numbers = bytes.len() / size_of::<T>();
            if !numbers.is_multiple_of(width) {
                bail!("gather_rows: expected rows of {width} numbers, got {numbers} of shard {index}");
            }
            if index == self.0.index() {
                own = rows[index] * width..rows[index] * width + numbers;
            }
            rows.push(rows[index] + numbers / width);
            all.extend(received::<T>("gather_rows", bytes, numbers)?);
        }
        let mut shape = x[0].dims().to_vec();
        shape[0] = *rows.last().expect("one or more");
        Output::cpu(all, shape, GatherRowsBackward { shard: self.0.clone(), rows, width, own })
    }

    fn composed(&self, _: &[&Tensor]) -> Result<Tensor> {
        bail!("gather_rows: shards are for kernels on the CPU – expected device cpu, and no TALLOW_FALLBACK")
    }
}

struct GatherRowsBackward {
    shard: Arc<dyn Shard>,
    /// Where the rows of each shard begin, and the last ones end.
    rows: Vec<usize>,
    /// Numbers of a row.
    width: usize,
    /// Those of this shard.
    own: Range<usize>,
}

impl Backward for GatherRowsBackward {
    fn cpu<T: Element>(&self, grad: Tensor, _: &[bool], _: Option<&Tensor>) -> Result<OperandGradients> {
        let numbers = view::<T>(&grad)?;
        let part = |at: &[usize]| sent(&numbers[at[0] * self.width..at[1] * self.width]);
        let parts = self.shard.exchange(self.rows.windows(2).map(part).collect())?;
        let mut sum: Option<Vec<T>> = None;
        for bytes in parts {
            let part = received::<T>("gather_rows", &bytes, self.own.len())?;
            match &mut sum {
                None => sum = Some(part),
                Some(sum) => zip(sum, &part, |sum, part| *sum += part),
            }
        }
        let mut shape = grad.dims().to_vec();
        shape[0] = self.own.len() / self.width;
        Ok(vec![sum.map(|sum| tensor(sum, shape))])
    }
}
