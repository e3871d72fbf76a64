//! How a batch is cut into shards, and which of them are whose.

use crate::plan::{MixWithin, Plan};
use std::ops::Range;

/// The shards of every batch of a run, and the ranks that share them: each has consecutive ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    pub count: usize,
    pub ranks: usize,
    /// The rank that this process is.
    pub rank: usize,
}

impl Shards {
    /// The shards of a rank.
    pub fn of(&self, rank: usize) -> Range<usize> {
        part(self.count, self.ranks, rank)
    }

    /// Those of this process.
    pub fn own(&self) -> Range<usize> {
        self.of(self.rank)
    }

    /// What people should know of them; nothing of a batch that is walked as a whole.
    pub fn described(&self, plan: &Plan) -> Option<String> {
        let Shards { count, ranks, .. } = *self;
        let (batch, accumulate) = (plan.data.batch, plan.accumulate);
        let (what, batch) =
            if accumulate > 1 { ("micro-batch", batch.div_ceil(accumulate)) } else { ("batch", batch) };
        let (least, most) = (batch / count, batch.div_ceil(count));
        let rows = if least == most { format!("{least}") } else { format!("{least} or {most}") };
        let by = match (ranks, count % ranks) {
            (1, _) => "each by a thread".to_owned(),
            (_, 0) => format!("{} by each of {ranks} ranks", count / ranks),
            _ => format!("{} or {} by each of {ranks} ranks", count / ranks, count / ranks + 1),
        };
        let seen = match (plan.mix_within, plan.sync_batch_norm) {
            (MixWithin::Batch, true) => "mixes and batch norm see all of it",
            (MixWithin::Batch, false) => "mixes see all of it, and batch norm the rows of a shard",
            (MixWithin::Shard, true) => "mixes see the rows of a shard, and batch norm all of it",
            (MixWithin::Shard, false) => "mixes and batch norm see the rows of a shard",
        };
        (count > 1)
            .then(|| format!("a {what} of {batch} is walked in {count} shards of {rows} rows, {by}; {seen}"))
    }

    /// The rows of a shard among so many.
    pub fn rows(&self, rows: usize, shard: usize) -> Range<usize> {
        part(rows, self.count, shard)
    }

    /// The rows of every shard in a micro-batch, (start, length).
    pub fn ranges(&self, start: usize, len: usize) -> Vec<Range<usize>> {
        let rows = |shard| start + self.rows(len, shard).start..start + self.rows(len, shard).end;
        (0..self.count).map(rows).collect()
    }

    /// How a batch is walked whose smallest micro-batch has so many rows: one that has none for a shard is walked by every rank as a whole.
    pub fn for_rows(&self, rows: usize) -> Shards {
        if rows < self.count { Shards { count: rows.max(1), ranks: 1, rank: 0 } } else { *self }
    }

    /// Where the rows of the shards of micro-batches, (start, length), end.
    pub fn ends(&self, micro_batches: &[(usize, usize)]) -> Vec<usize> {
        let ranges = micro_batches.iter().flat_map(|&(start, len)| self.ranges(start, len));
        ranges.map(|rows| rows.end).collect()
    }

    /// The rows of micro-batches, (start, length), that this process walks, in their order.
    pub fn here(&self, micro_batches: &[(usize, usize)]) -> Vec<Range<usize>> {
        let own = self.own();
        let rows = |&(start, len): &(usize, usize)| {
            start + self.rows(len, own.start).start..start + self.rows(len, own.end - 1).end
        };
        micro_batches.iter().map(rows).collect()
    }
}

/// The i-th of `parts` nearly equal parts of `0..whole`; none is empty where `whole` is as much.
fn part(whole: usize, parts: usize, i: usize) -> Range<usize> {
    i * whole / parts..(i + 1) * whole / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_shard_and_every_shard_of_one_rank() {
        for (count, ranks, rows) in [(4, 1, 9), (4, 3, 4), (8, 3, 100), (5, 5, 7)] {
            let shards = Shards { count, ranks, rank: ranks - 1 };
            let all: Vec<usize> = (0..ranks).flat_map(|rank| shards.of(rank)).collect();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
            let all: Vec<usize> = (0..count).flat_map(|shard| shards.rows(rows, shard)).collect();
            assert_eq!(all, (0..rows).collect::<Vec<_>>());
            assert!((0..count).all(|shard| !shards.rows(rows, shard).is_empty()));
            let mut here = Vec::new();
            for rank in 0..ranks {
                here.extend(Shards { rank, ..shards }.here(&[(0, rows), (rows, rows)]).swap_remove(1));
            }
            assert_eq!(here, (rows..2 * rows).collect::<Vec<_>>());
        }
        let shards = Shards { count: 2, ranks: 1, rank: 0 };
        assert_eq!(shards.ends(&[(0, 5), (5, 4)]), [2, 5, 7, 9]);
        let few = Shards { count: 4, ranks: 2, rank: 1 }.for_rows(3);
        assert_eq!((few.own(), few.here(&[(0, 3), (3, 3)])), (0..3, vec![0..3, 3..6]));
    }
}
