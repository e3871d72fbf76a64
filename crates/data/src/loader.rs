//! Batches, decoded ahead of their use by threads of the loader's own.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender};

use crate::decode::budget::Budget;
use crate::{Dataset, Encoded, Error, Image, Result};

/// From an image as stored, and its index in the dataset, to one finished image per view. The images of one view must
/// have one size over the batch. Called on the loader's threads, in any order: random numbers are keyed by the index.
pub type Prepare = dyn Fn(Encoded, usize) -> std::result::Result<Vec<Image>, Box<dyn std::error::Error + Send + Sync>>
    + Send
    + Sync;

/// One batch on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostBatch {
    /// As many as `prepare` returned for each image; row i of each is the image `indices[i]`.
    pub views: Vec<Pixels>,
    pub labels: Vec<u32>,
    /// Where each row is in the dataset.
    pub indices: Vec<u32>,
}

/// RGB8, (rows, height, width, 3) bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    pub rows: usize,
    pub height: usize,
    pub width: usize,
    pub bytes: Vec<u8>,
}

/// The iterator over a list of batches.
///
/// Images, not batches, are what the threads share, so that the first batch comes early. At most `AHEAD` batches
/// are in memory or in work besides the one last returned. Batches come in the order of the list and rows in the order of their
/// batch, so the number of threads changes nothing. Threads that hold large images wait for each other, so that their memory is
/// bounded. After an error ([`Error::Prepare`], with the id of the first bad image
/// of the first bad batch; a panic in `prepare` is one too) the iterator ends. Dropping the loader stops its threads.
pub struct Loader {
    dataset: Arc<dyn Dataset>,
    prepare: Arc<Prepare>,
    batches: Vec<Vec<u32>>,
    /// The next batch to return.
    next: usize,
    /// The next batch to hand to the threads.
    queued: usize,
    /// Finished images of batches from `next` on.
    waiting: HashMap<(usize, usize), Result<Vec<Image>>>,
    crew: Option<Crew>,
}

/// Enough that the threads have work while the consumer is busy with one batch, even when batches differ in cost.
pub const AHEAD: usize = 4;

/// Image `slot` of batch `batch`.
struct Job {
    batch: usize,
    slot: usize,
    index: u32,
}

struct Done {
    batch: usize,
    slot: usize,
    images: Result<Vec<Image>>,
}

/// The threads. The queues have no bound of their own: [`AHEAD`] bounds what is in them.
struct Crew {
    jobs: Option<Sender<Job>>,
    done: Receiver<Done>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Pixels {
    /// Bytes of one image.
    pub fn row_bytes(&self) -> usize {
        self.height * self.width * 3
    }
}

impl Loader {
    /// `batches` are lists of indices of `dataset`, from a [`crate::Sampler`]; `workers` threads prepare them, 0 prepares in
    /// `next`. Panics if an index is out of range or a thread cannot be started.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        batches: Vec<Vec<u32>>,
        prepare: Arc<Prepare>,
        workers: usize,
    ) -> Loader {
        let rows = dataset.len();
        let fits = batches.iter().flatten().all(|&index| (index as usize) < rows);
        assert!(fits, "Loader: expected indices below {rows}");
        let crew = (workers > 0).then(|| Crew::start(&dataset, &prepare, workers));
        Loader { dataset, prepare, batches, next: 0, queued: 0, waiting: HashMap::new(), crew }
    }

    fn load(&mut self, batch: usize) -> Result<HostBatch> {
        let mut rows = VecDeque::with_capacity(self.batches[batch].len());
        match &self.crew {
            None => {
                for &index in &self.batches[batch] {
                    rows.push_back(prepare(&*self.dataset, &*self.prepare, index, &Budget::new())?);
                }
            }
            Some(crew) => {
                let queued = (batch + 1 + AHEAD).min(self.batches.len());
                for ahead in self.queued..queued {
                    for (slot, &index) in self.batches[ahead].iter().enumerate() {
                        crew.send(Job { batch: ahead, slot, index });
                    }
                }
                self.queued = self.queued.max(queued);
                for slot in 0..self.batches[batch].len() {
                    let images = loop {
                        if let Some(images) = self.waiting.remove(&(batch, slot)) {
                            break images;
                        }
                        let done = crew.receive();
                        self.waiting.insert((done.batch, done.slot), done.images);
                    };
                    rows.push_back(images?);
                }
            }
        }
        self.assemble(batch, rows)
    }

    fn assemble(&self, batch: usize, rows: VecDeque<Vec<Image>>) -> Result<HostBatch> {
        let indices = self.batches[batch].clone();
        let labels = indices.iter().map(|&index| self.dataset.label(index as usize)).collect();
        let mut views: Vec<Pixels> = Vec::new();
        for (slot, images) in rows.into_iter().enumerate() {
            let wrong =
                |problem: String| Err(Error::invalid(self.dataset.id(indices[slot] as usize), problem));
            if slot == 0 {
                views = images.iter().map(|image| Pixels::with_room_for(indices.len(), image)).collect();
            }
            if images.len() != views.len() {
                return wrong(format!("expected {} views, got {}", views.len(), images.len()));
            }
            for (view, image) in views.iter_mut().zip(images) {
                let (height, width) = (image.height as usize, image.width as usize);
                if (height, width) != (view.height, view.width) {
                    return wrong(format!(
                        "expected {}×{} pixels (height × width) as the batch's first image, got {height}×{width} – \
                         end the image policies with one that fixes the size",
                        view.height, view.width
                    ));
                }
                view.bytes.extend_from_slice(&image.pixels);
                view.rows += 1;
            }
        }
        Ok(HostBatch { views, labels, indices })
    }
}

impl Iterator for Loader {
    type Item = Result<HostBatch>;

    fn next(&mut self) -> Option<Result<HostBatch>> {
        if self.next == self.batches.len() {
            return None;
        }
        let batch = self.load(self.next);
        self.next = if batch.is_ok() { self.next + 1 } else { self.batches.len() };
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.batches.len() - self.next;
        (usize::from(left > 0), Some(left))
    }
}

impl Pixels {
    fn with_room_for(rows: usize, image: &Image) -> Pixels {
        let bytes = Vec::with_capacity(rows * image.pixels.len());
        Pixels { rows: 0, height: image.height as usize, width: image.width as usize, bytes }
    }
}

impl Crew {
    fn start(dataset: &Arc<dyn Dataset>, work: &Arc<Prepare>, workers: usize) -> Crew {
        let (jobs, queue) = crossbeam_channel::unbounded::<Job>();
        let (finished, done) = crossbeam_channel::unbounded();
        let (stop, budget) = (Arc::new(AtomicBool::new(false)), Arc::new(Budget::new()));
        let threads = (0..workers)
            .map(|number| {
                let (queue, finished, stop) = (queue.clone(), finished.clone(), stop.clone());
                let (dataset, work, budget) = (dataset.clone(), work.clone(), budget.clone());
                let thread = std::thread::Builder::new().name(format!("loader {number}"));
                let run = move || {
                    for Job { batch, slot, index } in queue {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let images = prepare(&*dataset, &*work, index, &budget);
                        if finished.send(Done { batch, slot, images }).is_err() {
                            return;
                        }
                    }
                };
                thread.spawn(run).expect("the system can start a thread")
            })
            .collect();
        Crew { jobs: Some(jobs), done, stop, threads }
    }

    fn send(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("open until dropped");
        jobs.send(job).expect("threads live until the loader is dropped");
    }

    fn receive(&self) -> Done {
        self.done.recv().expect("threads live until the loader is dropped")
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread ends by itself: panics of `prepare` were caught.
            let _ = thread.join();
        }
    }
}

fn prepare(dataset: &dyn Dataset, work: &Prepare, index: u32, budget: &Budget) -> Result<Vec<Image>> {
    let index = index as usize;
    let failed = |source| Error::Prepare { id: dataset.id(index).to_string(), source };
    let attempt = AssertUnwindSafe(|| {
        let image = dataset.image(index)?.load()?;
        let _held = budget.hold(&image);
        work(image, index)
    });
    match catch_unwind(attempt) {
        Ok(images) => images.map_err(failed),
        Err(panic) => Err(failed(format!("panicked: {}", message(&*panic)).into())),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}

#[cfg(test)]
mod tests;
