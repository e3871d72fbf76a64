//! Every linear mix: which rows come out, which go into each, by which weights. The named ones are points in it.

use super::{Mix, MixContext, Mixing};
use crate::engine::parallel_draws::draw_in_chunks;
use crate::engine::row_weights::Weights;
use crate::engine::shares::{Row, RowBuilder};
use crate::schema::quantity::{Others, choice};
use crate::{Build, Mistake, Parsed, Result, Shares, Spec};
use crate::{parameters, text};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_yaml::Value;
use std::collections::BTreeMap;
use std::ops::Range;
use tallow_seed::Rng;

pub const SPEC: Spec = Spec {
    name: "linear",
    summary: "Σ_j w_j·x_j over the own row and its partners: mixup, ζ-mixup, Dirichlet mixing, SynerMix-Intra and what is between them",
    source: "this toolkit: the draws of mixup, zeta_mixup, dirichlet_mixup and intra_class, whose sources they name",
    parameters: &[
        (
            "rows",
            "each, or one_per_class",
            "the rows that come out: one for each that goes in, or one for each class of the batch, of its members alone",
        ),
        (
            "partners",
            "paired (same_class for one_per_class), or a number K (from 1 to 65535), all, same_class, other_class, same_group, { count: K, among: same_class }",
            "the other rows in each: the one of the node's `pairing`; K drawn without replacement; all; all of a kind; K of a kind (not same_group under `within_group: false`)",
        ),
        (
            "weights",
            "{ beta: { alpha: 1.0 } }, or { dirichlet: { alpha: 1.0 } }, { p_series: { gamma: 2.8 } }, uniform_simplex, { fixed: [w, …] }, normalised_uniform",
            "the distribution of the weights, the own row's first; beta is of two rows, a fixed list of as many as it has numbers",
        ),
        (
            "own",
            "first, largest or random",
            "the weight of the own row: the first as drawn, the largest, or one at random",
        ),
        ("per_sample", "false", "weights drawn anew for each row in place of once for the batch"),
    ],
    example: "{ linear: { partners: { count: 2, among: other_class }, weights: { dirichlet: { alpha: 0.5 } }, own: largest } }",
    cost: "one pass where few rows go into each, one product, the shares (R, T) by the rows, where many do",
    spatial: false,
    build: Build::Mix(build),
};

/// x̂_i = w_1·x_i + Σ_{k=2..n} w_k·x_(k) over a row's sources: itself, then its partners in the order drawn.
#[derive(Clone, Debug)]
pub struct Linear {
    pub rows: OutputRows,
    pub partners: Partners,
    pub weights: Weights,
    pub own: OwnWeight,
    /// Weights drawn anew for each row, not once for each number of sources.
    pub per_sample: bool,
}

choice! {
    /// Which rows come out.
    pub enum OutputRows {
        Each = "each",
        /// By increasing class. Where rows of one group must not be mixed, each group of a class is represented by one of
        /// its rows, drawn uniformly.
        OnePerClass = "one_per_class",
    }
}

choice! {
    /// Which weight the own row takes.
    pub enum OwnWeight {
        First = "first",
        Largest = "largest",
        Random = "random",
    }
}

/// The other rows in an output row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partners {
    /// The one that the engine paired: perhaps the row itself.
    Paired,
    /// `count` different other rows of this kind, all of them without a count, as far as there are any.
    Drawn { count: Option<u32>, among: Among },
}

choice! {
    pub enum Among {
        All = "all",
        SameClass = "same_class",
        OtherClass = "other_class",
        SameGroup = "same_group",
    }
}

parameters! {
    struct Drawn {
        count: Others = Others(1),
        among: Among = Among::All,
    }
}

impl<'de> Deserialize<'de> for Partners {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Partners, D::Error> {
        let value = Value::deserialize(deserializer)?;
        if value.as_str() == Some("paired") {
            return Ok(Partners::Paired);
        }
        if value.is_mapping() {
            let drawn = parameters::<Drawn>(&value).map_err(|mistakes| {
                let mistakes: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
                D::Error::custom(mistakes.join("; "))
            })?;
            return Ok(Partners::Drawn { count: Some(drawn.count.0), among: drawn.among });
        }
        match value.as_u64() {
            Some(count @ 1..=65535) => {
                Ok(Partners::Drawn { count: Some(count as u32), among: Among::All })
            }
            _ => Among::deserialize(value.clone())
                .map(|among| Partners::Drawn { count: None, among })
                .map_err(|_| {
                    let known = "paired, a whole number from 1 to 65535, all, same_class, other_class, same_group or a mapping of count, among";
                    D::Error::custom(format!("expected {known}, got {}", text(&value)))
                }),
        }
    }
}

parameters! {
    struct Parameters {
        rows: OutputRows = OutputRows::Each,
        partners: Option<Partners> = None,
        weights: Weights = Weights::Beta(1.0), // as mixup
        own: Option<OwnWeight> = None,
        per_sample: bool = false,
    }
}

fn build(value: &Value) -> Parsed<Box<dyn Mix>> {
    let Parameters { rows, partners, weights, own, per_sample } = parameters(value)?;
    let of_class = Partners::Drawn { count: None, among: Among::SameClass };
    let partners = partners.unwrap_or(if rows == OutputRows::Each { Partners::Paired } else { of_class });
    let mut mistakes = Vec::new();
    if rows == OutputRows::OnePerClass {
        if !matches!(partners, Partners::Drawn { among: Among::SameClass, .. }) {
            let problem = "expected same_class, or { count: K, among: same_class }: a row for each class is of its members";
            mistakes.push(Mistake::new("partners", problem));
        }
        if own.is_some() {
            let problem = "there is no own row where one comes out for each class; leave `own` out";
            mistakes.push(Mistake::new("own", problem));
        }
    }
    let mixed = match partners {
        Partners::Paired => Some(2),
        Partners::Drawn { count, .. } => count.map(|count| count as usize + 1),
    };
    if let Some(rows) = weights.rows().filter(|rows| mixed != Some(*rows)) {
        let remedy = if rows == 2 {
            "`partners: paired` or 1".to_owned()
        } else {
            format!("`partners: {}`", rows - 1)
        };
        let problem = format!("{} weighs {rows} rows; write {remedy}", weights.name());
        mistakes.push(Mistake::new("weights", problem));
    }
    if mistakes.is_empty() {
        Ok(Box::new(Linear { rows, partners, weights, own: own.unwrap_or(OwnWeight::First), per_sample }))
    } else {
        Err(mistakes)
    }
}

impl Mix for Linear {
    fn pairs(&self) -> bool {
        self.partners == Partners::Paired
    }

    fn within_groups_only(&self) -> bool {
        matches!(self.partners, Partners::Drawn { among: Among::SameGroup, .. })
    }

    fn draw(&self, context: &MixContext, rng: &mut Rng) -> Result<Mixing> {
        let mut weighing =
            RowWeights { linear: self, drawn: BTreeMap::new(), room: RowBuilder::new(context.rows()) };
        let rows = match self.rows {
            OutputRows::Each => {
                let each = |weighing: &mut RowWeights, rows: Range<usize>, rng: &mut Rng| -> Vec<Row> {
                    rows.map(|row| weighing.row(&self.sources(row, context, rng), rng)).collect()
                };
                // The first row draws the weights of all; those after it take as many words of the stream each.
                let Some(words) = self.draws_per_row(context) else {
                    let rows = each(&mut weighing, 0..context.rows(), rng);
                    return Ok(Mixing::Rows(Shares::of(context.rows(), rows)));
                };
                let mut all = each(&mut weighing, 0..1, rng);
                all.extend(draw_in_chunks(rng, 1..context.rows(), words, |rows, rng| {
                    each(&mut weighing.clone(), rows, rng)
                }));
                all
            }
            OutputRows::OnePerClass => {
                let mut classes = context.classes.to_vec();
                classes.sort();
                classes.dedup();
                classes
                    .into_iter()
                    .map(|class| weighing.row(&self.members(class, context, rng), rng))
                    .collect()
            }
        };
        Ok(Mixing::Rows(Shares::of(context.rows(), rows)))
    }
}

/// Rows of one batch get their weights.
#[derive(Clone)]
struct RowWeights<'a> {
    linear: &'a Linear,
    /// The batch's weights of so many sources.
    drawn: BTreeMap<usize, Vec<f64>>,
    room: RowBuilder,
}

impl RowWeights<'_> {
    fn row(&mut self, sources: &[u32], rng: &mut Rng) -> Row {
        let (linear, n) = (self.linear, sources.len());
        if linear.per_sample {
            self.drawn.clear();
        }
        let weights = self.drawn.entry(n).or_insert_with(|| linear.weights.draw(n, rng));
        let first = match linear.own {
            OwnWeight::First => 0,
            OwnWeight::Largest => largest(weights),
            OwnWeight::Random if linear.weights.exchangeable() => 0,
            OwnWeight::Random => rng.below(n as u32) as usize,
        };
        weights.swap(0, first);
        let row = self.room.row(sources.iter().copied().zip(weights.iter().copied()));
        weights.swap(0, first);
        row
    }
}

impl Linear {
    /// How many words of the stream each row but the first takes, if they take as many (but for refused words).
    fn draws_per_row(&self, context: &MixContext) -> Option<usize> {
        let Partners::Drawn { count, among: Among::All } = self.partners else { return None };
        if !context.within_group || context.rows() == 0 || self.per_sample && self.weights.exchangeable() {
            return None;
        }
        let others = context.rows() - 1;
        let count = count.map_or(others, |count| others.min(count as usize));
        let order = if count == others && self.weights.exchangeable() { 0 } else { count };
        Some(order + usize::from(self.own == OwnWeight::Random && !self.weights.exchangeable()))
    }

    /// A row and its partners.
    fn sources(&self, own: usize, context: &MixContext, rng: &mut Rng) -> Vec<u32> {
        let mut sources = Vec::with_capacity(context.rows() + 1);
        sources.push(own as u32);
        let Partners::Drawn { count, among } = self.partners else {
            sources.push(context.partners[own]);
            return sources;
        };
        if among == Among::All && context.within_group {
            sources.extend((0..own as u32).chain(own as u32 + 1..context.rows() as u32));
        } else {
            let others = (0..context.rows()).filter(|&other| {
                let kind = match among {
                    Among::All => true,
                    Among::SameClass => context.classes[other] == context.classes[own],
                    Among::OtherClass => context.classes[other] != context.classes[own],
                    Among::SameGroup => {
                        context.groups[own].is_some() && context.groups[other] == context.groups[own]
                    }
                };
                kind && other != own && context.may_mix(own, other)
            });
            let others: Vec<u32> = others.map(|other| other as u32).collect();
            sources.extend(if context.within_group { others } else { one_per_group(context, others, rng) });
        }
        self.choose(&mut sources, 1, count, rng);
        sources
    }

    /// The rows of a class that are mixed into one.
    fn members(&self, class: u32, context: &MixContext, rng: &mut Rng) -> Vec<u32> {
        let members =
            (0..context.rows()).filter(|&i| context.classes[i] == class).map(|i| i as u32).collect();
        let mut members = if context.within_group { members } else { one_per_group(context, members, rng) };
        let count = match self.partners {
            Partners::Drawn { count: Some(count), .. } => Some(count + 1),
            _ => None,
        };
        self.choose(&mut members, 0, count, rng);
        members
    }

    /// Leaves the first `kept` of these and `count` of the others, in random order; all of them, where that is the number and
    /// their order means nothing, as they are.
    fn choose(&self, rows: &mut Vec<u32>, kept: usize, count: Option<u32>, rng: &mut Rng) {
        let others = &mut rows[kept..];
        let count = count.unwrap_or(u32::MAX).min(others.len() as u32);
        if count as usize == others.len() && self.weights.exchangeable() {
            return;
        }
        rng.choose(others, count);
        rows.truncate(kept + count as usize);
    }
}

/// The place of the largest; the first of equals.
fn largest(weights: &[f64]) -> usize {
    (1..weights.len()).fold(0, |best, place| if weights[place] > weights[best] { place } else { best })
}

/// Of rows that must not meet, one, drawn uniformly; by increasing row.
fn one_per_group(context: &MixContext, mut members: Vec<u32>, rng: &mut Rng) -> Vec<u32> {
    rng.shuffle(&mut members);
    let mut kept: Vec<u32> = Vec::with_capacity(members.len());
    for row in members {
        if kept.iter().all(|&other| context.may_mix(row as usize, other as usize)) {
            kept.push(row);
        }
    }
    kept.sort();
    kept
}
