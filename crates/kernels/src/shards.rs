//! Shards of a batch: parts that threads or processes walk at the same time, and that tell each other what a layer has to know of the
//! whole batch. What is added over shards is added in their order, so that it matters to no bit where each of them is.

use crate::cpu::element::Element;
use candle_core::{Result, bail};
use std::cell::RefCell;
use std::sync::Arc;

/// What a shard tells others.
pub type Bytes = Arc<[u8]>;

/// One shard of a batch, and its way to the others. All shards make the same calls in the same order.
pub trait Shard: Send + Sync {
    /// From 0, in the order of the batch's rows.
    fn index(&self) -> usize;

    /// How many there are.
    fn count(&self) -> usize;

    /// Whether it is the first of its process, and so the one that keeps running statistics.
    fn leads(&self) -> bool;

    /// Whether batch norm takes its statistics over the rows of all shards, or of each alone.
    fn joins_statistics(&self) -> bool;

    /// Sends part s to shard s, and returns what every shard sent to this one, in their order.
    ///
    /// # Errors
    /// A shard that was ended by an error.
    fn exchange(&self, parts: Vec<Bytes>) -> Result<Vec<Bytes>>;

    /// What every shard has, in their order.
    ///
    /// # Errors
    /// Those of [`Shard::exchange`].
    fn gather(&self, own: Bytes) -> Result<Vec<Bytes>>;
}

thread_local! {
    static SHARD: RefCell<Option<Arc<dyn Shard>>> = const { RefCell::new(None) };
}

/// Runs `pass` with the ops that this thread applies on rows of one shard: [`batch_norm`](crate::batch_norm) takes its statistics over the
/// rows of all shards, where they [join](Shard::joins_statistics) them, and [`gather_rows`](crate::gather_rows) gives these rows.
pub fn in_shard<T>(shard: Arc<dyn Shard>, pass: impl FnOnce() -> T) -> T {
    struct Restore(Option<Arc<dyn Shard>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            SHARD.set(self.0.take());
        }
    }
    let _restore = Restore(SHARD.replace(Some(shard)));
    pass()
}

/// The shard whose rows this thread computes on, where there are others.
pub(crate) fn current() -> Option<Arc<dyn Shard>> {
    SHARD.with_borrow(Clone::clone)
}

/// Whether what a layer keeps of a batch is for this thread to keep: alone, or as the first of its process.
pub fn keeps_statistics() -> bool {
    current().is_none_or(|shard| shard.leads())
}

/// # Errors
/// Fails in a shard that takes its statistics with others: `op` has another implementation here than the kernel on the CPU.
pub(crate) fn refuse_joined(op: &str) -> Result<()> {
    if current().is_some_and(|shard| shard.joins_statistics()) {
        bail!(
            "{op}: statistics over several shards are for kernels on the CPU – expected device cpu and no TALLOW_FALLBACK, or              sync_batch_norm: false"
        );
    }
    Ok(())
}

pub(crate) fn sent<T: Element>(values: &[T]) -> Bytes {
    bytemuck::cast_slice(values).into()
}

/// `len` numbers that were sent.
pub(crate) fn received<T: Element>(op: &str, bytes: &[u8], len: usize) -> Result<Vec<T>> {
    if bytes.len() != len * size_of::<T>() {
        bail!("{op}: expected {len} numbers of another shard, got {} bytes", bytes.len());
    }
    let mut values = vec![T::zero(); len];
    bytemuck::cast_slice_mut(&mut values).copy_from_slice(bytes);
    Ok(values)
}
