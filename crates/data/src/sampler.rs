//! Which images make up the batches of an epoch.

use serde_yaml::Value;
use tallow_seed::{Rng, Seed};

use crate::options::shown;
use crate::{Error, Result, counted, suggestion};

/// How an epoch walks over the training images.
#[derive(Clone, Debug, PartialEq)]
pub enum Sampler {
    /// Every image once, in the dataset's order.
    Sequential,
    /// Every image once, in random order.
    Shuffled,
    /// As many draws as images, in equal shares to each class that has any (shares differ by one at most). A class
    /// gives its images in shuffled passes: none comes a third time before all came twice.
    Balanced,
    /// As many draws as images, with replacement, an image with probability proportional to the weight of its class.
    Weighted(Vec<f64>),
    /// Every image once, in random order; then each batch gets, for every class that is in it exactly once, one more
    /// random image of that class that is not yet in it. So `intra_class` has two of each. A class with one image in the
    /// whole set is left alone. Batches have up to twice the size asked for, and an added image can come twice in an epoch.
    /// Source: SynerMix's `BalancedBatchSampler`, which would loop for ever on a class with one image and drops the last
    /// partial batch; here `drop_last` decides.
    NoSingletons,
}

const REMEDY: &str = "lower data.batch, or write drop_last: false";

impl Sampler {
    /// From a recipe's `data.sampler`: a name, or `{ weighted: { MEL: 4.0, … } }` (other classes: 1), or
    /// `{ weighted: [w₀, w₁, …] }`, one weight for each class.
    ///
    /// # Errors
    /// [`Error::Option`] for an unknown name, an unknown class, or weights that are not one for each class.
    pub fn parse(value: &Value, classes: &[String]) -> Result<Sampler> {
        const NAMES: [&str; 5] = ["shuffled", "sequential", "balanced", "weighted", "no_singletons"];
        let unknown = |name: &str| {
            let near = suggestion(name, NAMES);
            let problem = format!("no sampler is called `{name}`{near}");
            Error::option("sampler", problem)
        };
        match value {
            Value::String(name) => match name.as_str() {
                "shuffled" => Ok(Sampler::Shuffled),
                "sequential" => Ok(Sampler::Sequential),
                "balanced" => Ok(Sampler::Balanced),
                "no_singletons" => Ok(Sampler::NoSingletons),
                "weighted" => Err(Error::option(
                    "sampler",
                    "`weighted` needs the weights of the classes: { weighted: { name: weight, … } }",
                )),
                other => Err(unknown(other)),
            },
            Value::Mapping(map) if map.len() == 1 => match map.iter().next() {
                Some((Value::String(name), weights)) if name == "weighted" => weighted(weights, classes),
                Some((name, _)) => Err(unknown(shown(name).trim_matches('`'))),
                None => unreachable!("one entry"),
            },
            other => Err(Error::option(
                "sampler",
                format!("expected a name or {{ weighted: … }}, got {}", shown(other)),
            )),
        }
    }

    /// What would leave an epoch without batches, found before a run: weights of classes that have no images, or, where partial
    /// batches are dropped, a batch larger than the set.
    ///
    /// # Errors
    /// [`Error::Option`], with what to write instead.
    pub fn check(&self, labels: &[u32], batch: usize, drop_last: bool) -> Result<()> {
        if let Sampler::Weighted(weights) = self
            && !labels.iter().any(|&label| weights[label as usize] > 0.0)
        {
            let problem = "expected a weight above 0 for some class that has training images, got none";
            return Err(Error::option("sampler.weighted", problem));
        }
        if drop_last && labels.len() < batch {
            let problem = format!("{} training images make no batch of {batch}; {REMEDY}", labels.len());
            return Err(Error::option("batch", problem));
        }
        Ok(())
    }

    /// The batches of one epoch, lists of indices into `labels`. `seed` is the epoch's own. Without `drop_last` the last
    /// batch holds what is left; with it, and fewer than `batch` images, there is no batch ([`Sampler::check`]
    /// tells). Panics if `batch` is 0.
    pub fn epoch(
        &self,
        labels: &[u32],
        n_classes: usize,
        batch: usize,
        drop_last: bool,
        seed: Seed,
    ) -> Vec<Vec<u32>> {
        assert!(batch > 0, "Sampler::epoch: expected a batch of one image or more");
        if labels.is_empty() {
            return Vec::new();
        }
        let count = labels.len() as u32;
        let mut rng = seed.fold("sampler", 0).rng();
        let order = match self {
            Sampler::Sequential => (0..count).collect(),
            Sampler::Shuffled | Sampler::NoSingletons => rng.permutation(count),
            Sampler::Balanced => balanced(&by_class(labels, n_classes), labels.len(), &mut rng),
            Sampler::Weighted(weights) => {
                let weights: Vec<f64> = labels.iter().map(|&label| weights[label as usize]).collect();
                let sums = running_sums(&weights);
                (0..count).map(|_| draw(&sums, &mut rng)).collect()
            }
        };
        let chunks = order.chunks(batch).filter(|chunk| !drop_last || chunk.len() == batch);
        let mut batches: Vec<Vec<u32>> = chunks.map(<[u32]>::to_vec).collect();
        if *self == Sampler::NoSingletons {
            let members = by_class(labels, n_classes);
            batches.iter_mut().for_each(|batch| pair_singletons(batch, labels, &members, &mut rng));
        }
        batches
    }
}

fn weighted(weights: &Value, classes: &[String]) -> Result<Sampler> {
    let weight = |key: String, value: &Value| {
        let number = value.as_f64().filter(|weight| weight.is_finite() && *weight >= 0.0);
        number
            .ok_or_else(|| Error::option(key, format!("expected a weight, 0 or more, got {}", shown(value))))
    };
    let key = |name: &str| format!("sampler.weighted.{name}");
    let found = match weights {
        Value::Sequence(items) if items.len() == classes.len() => {
            let numbered = items.iter().zip(classes);
            numbered.map(|(item, class)| weight(key(class), item)).collect::<Result<Vec<f64>>>()?
        }
        Value::Sequence(items) => {
            let problem = format!(
                "expected {}, one for each class, got {}",
                counted(classes.len(), "weight"),
                items.len()
            );
            return Err(Error::option("sampler.weighted", problem));
        }
        Value::Mapping(map) => {
            let mut found = vec![1.0; classes.len()];
            for (name, value) in map {
                let name = shown(name).trim_matches('`').to_string();
                let Some(class) = classes.iter().position(|class| *class == name) else {
                    let near = suggestion(&name, classes.iter().map(String::as_str));
                    let problem = format!("no such class{near}");
                    return Err(Error::option(key(&name), problem));
                };
                found[class] = weight(key(&name), value)?;
            }
            found
        }
        other => {
            let problem = format!("expected {{ class: weight, … }} or a list, got {}", shown(other));
            return Err(Error::option("sampler.weighted", problem));
        }
    };
    if found.iter().sum::<f64>() > 0.0 {
        Ok(Sampler::Weighted(found))
    } else {
        Err(Error::option("sampler.weighted", "expected some weight above 0, got none"))
    }
}

fn by_class(labels: &[u32], n_classes: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); n_classes];
    for (index, &label) in labels.iter().enumerate() {
        members[label as usize].push(index as u32);
    }
    members
}

fn balanced(members: &[Vec<u32>], draws: usize, rng: &mut Rng) -> Vec<u32> {
    let mut present: Vec<&Vec<u32>> = members.iter().filter(|class| !class.is_empty()).collect();
    // Who gets the draws that do not divide evenly is random.
    rng.shuffle(&mut present);
    let mut order = Vec::with_capacity(draws);
    for (rank, class) in present.iter().enumerate() {
        let share = draws / present.len() + usize::from(rank < draws % present.len());
        let mut left = share;
        while left > 0 {
            let mut pass = (*class).clone();
            rng.shuffle(&mut pass);
            pass.truncate(left);
            left -= pass.len();
            order.extend(pass);
        }
    }
    rng.shuffle(&mut order);
    order
}

fn running_sums(weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let add = |weight: &f64| {
        sum += weight;
        sum
    };
    weights.iter().map(add).collect()
}

/// An index with probability proportional to its weight; `sums` are the running sums of the weights.
fn draw(sums: &[f64], rng: &mut Rng) -> u32 {
    let total = *sums.last().expect("some images");
    assert!(total > 0.0, "Sampler::Weighted: expected a class with images and a positive weight");
    let point = rng.uniform() * total;
    // The first sum above the point: an image of weight 0 never has it. Rounding can put the point on the total.
    let index = sums.partition_point(|&sum| sum <= point);
    index.min(sums.partition_point(|&sum| sum < total)) as u32
}

fn pair_singletons(batch: &mut Vec<u32>, labels: &[u32], members: &[Vec<u32>], rng: &mut Rng) {
    let mut seen = vec![0u32; members.len()];
    batch.iter().for_each(|&index| seen[labels[index as usize] as usize] += 1);
    let alone: Vec<u32> = batch.iter().copied().filter(|&i| seen[labels[i as usize] as usize] == 1).collect();
    for index in alone {
        let class = &members[labels[index as usize] as usize];
        if class.len() > 1 {
            // Uniform over the class without its one image in the batch: draw among the others by skipping it.
            let own = class.binary_search(&index).expect("a class holds its images, in order");
            let other = rng.below(class.len() as u32 - 1) as usize;
            batch.push(class[other + usize::from(other >= own)]);
        }
    }
}

#[cfg(test)]
mod tests;
