//! `tallow compare` of the predictions that runs kept, the last few of them remembered.

use crate::commands::compare;
use crate::commands::train::quoted;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;
use tallow_policy::Registry;
use tallow_report::Section;

/// So many comparisons are remembered.
const KEPT: usize = 16;

/// A run that is compared.
#[derive(Clone, PartialEq)]
pub struct Contender {
    pub place: PathBuf,
    /// When its predictions were written; none where it kept none.
    pub predictions: Option<SystemTime>,
}

type Answer = Result<Section, String>;

pub struct Compared {
    registry: Registry,
    /// The program's own pool counts the thread that started it among its own, which serves here: alone it would wait for itself.
    pool: ThreadPool,
    /// One at a time: each draws with all threads.
    kept: Mutex<VecDeque<(Vec<Contender>, String, Answer)>>,
}

impl Compared {
    pub fn new(registry: &Registry) -> Compared {
        let pool = ThreadPoolBuilder::new().build().expect("threads can be started");
        Compared { registry: registry.clone(), pool, kept: Mutex::default() }
    }

    /// The first run against the others, or in words why not.
    pub fn of(&self, runs: &[Contender], metric: &str) -> Answer {
        if let Some(run) = runs.iter().find(|run| run.predictions.is_none()) {
            let place = quoted(&run.place);
            let file = quoted(&run.place.join("predictions.csv"));
            return Err(format!(
                "{place}: holds no predictions.csv, and the board evaluates no network; write them: tallow eval {place} --predictions {file}"
            ));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., answer)) = kept.iter().find(|(of, by, _)| of == runs && by == metric) {
            return answer.clone();
        }
        let places = runs.iter().map(|run| run.place.clone()).collect();
        let compare = || compare::section(places, metric, &self.registry);
        let answer = self.pool.install(compare).map_err(|error| format!("{error:#}"));
        kept.push_back((runs.to_vec(), metric.to_owned(), answer.clone()));
        while kept.len() > KEPT {
            kept.pop_front();
        }
        answer
    }
}
