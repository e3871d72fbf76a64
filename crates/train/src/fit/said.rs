//! What a training says of its run as a whole: that it is finished, how long it will take.

use super::Trainer;
use super::checkpoint::Position;
use tallow_data::counted;
use tallow_policy::Duration;

impl Trainer<'_> {
    /// What to say of a run that is resumed after its end: that, its result, and how it goes on. Its exit code is 0: the run is
    /// done, and a script that resumes until it is may ask once more.
    pub(super) fn nothing_to_do(&self, stopped_early: bool) -> Option<String> {
        let Position { step, epoch, batch, best, .. } = &self.position;
        let done = *step >= self.total() && *batch == 0;
        self.folder.resume.as_ref().filter(|_| done || stopped_early)?;
        let (epochs, steps) = (counted(*epoch, "epoch"), counted(*step, "step"));
        let result = best.as_ref().map_or(String::new(), |best| {
            format!(
                "; its best {} is {:.4}, of epoch {}",
                self.run.plan().select.name,
                best.value,
                best.epoch
            )
        });
        let (why, remedy) = match self.run.plan().patience.filter(|_| stopped_early) {
            Some(patience) => (
                "stopped early (early_stop.patience)",
                format!("to go on, resume with more patience, such as early_stop.patience={}", 2 * patience),
            ),
            None => (
                "is finished",
                format!("to train longer, resume with a longer length, such as {}", self.longer()),
            ),
        };
        Some(format!(
            "  this run {why} after {epochs}, {steps}{result}: there is nothing left to train; {remedy}"
        ))
    }

    /// Twice the length of the run, as it is typed.
    fn longer(&self) -> String {
        let twice = match self.run.plan().length {
            Duration::Epochs(n) => Duration::Epochs(2.0 * n),
            Duration::Steps(n) => Duration::Steps(2 * n),
            Duration::Images(n) => Duration::Images(2 * n),
            // No length is one.
            Duration::Fraction(_) => Duration::Steps(2 * self.total()),
        };
        format!("length='{twice}'")
    }

    /// After the first epoch of this part of the run, how long the rest will take at its speed, where that is over a minute.
    pub(super) fn left(&mut self) -> Option<String> {
        let begin = self.begin.take()?;
        let (done, rest) = (self.position.step - begin, self.total() - self.position.step);
        let left = self.began.elapsed().mul_f64(rest as f64 / done.max(1) as f64);
        (left.as_secs() > 60).then(|| format!("  the run: about {} left", tallow_report::duration(left)))
    }
}
