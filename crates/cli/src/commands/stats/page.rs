//! The page of `stats`: the figures of the papers, of the data of a recipe.

use super::three;
use tallow_data::counted;
use tallow_policy::Registry;
use tallow_report::{Bars, Chart, Figure, Grid, Line, Page, Scatter, Section};
use tallow_train::Error;
use tallow_train::stats::{BINS, BranchStats, Kind, NEIGHBOURS, PolicyStats, Stats, demonstrate, p_series};

/// The smallest γ at which the own image outweighs all others together: ζ(γ) = 2.
const DOMINANT: f64 = 1.72865;

pub fn page(name: &str, found: &Stats, registry: &Registry) -> Result<Page, Error> {
    let sections = vec![
        overview(found),
        dimensions(found),
        labels(found),
        pairs(found),
        moons(registry)?,
        helix(registry)?,
        weights(found.images.div_ceil(found.batches)),
    ];
    let subject = format!(
        "What policies do to {} of {} ({}), without training.",
        counted(found.images, "training image"),
        counted(found.classes.len(), "class"),
        counted(found.batches, "batch")
    );
    Ok(Page { title: format!("{name}: policies on data"), subject, sections })
}

fn overview(found: &Stats) -> Section {
    let row = |policy: &PolicyStats| {
        let dimension = |which| policy.dimension(which).map_or("–".to_owned(), |d| format!("{d:.2}"));
        vec![
            policy.name.clone(),
            three(policy.label_entropy()),
            format!("{:.2}", policy.label_entropy().exp()),
            three(policy.own_mass()),
            dimension(0),
            dimension(1),
            format!("{:.4}", policy.nearest()),
            format!("{:.2}", policy.milliseconds),
        ]
    };
    let columns = [
        "policy",
        "label entropy",
        "effective classes",
        "own class",
        "dimension, k\u{a0}=\u{a0}8",
        "dimension, k\u{a0}=\u{a0}128",
        "to nearest image",
        "ms per batch",
    ];
    let grid = Grid {
        columns: columns.map(str::to_owned).to_vec(),
        rows: found.policies.iter().map(row).collect(),
        ..Grid::default()
    };
    let note = format!(
        "Entropy of the label shares in nats and its exponential; mean share of the own class; local intrinsic dimension; root \
         mean square distance to the nearest unmixed image, of pixels from 0 to 1 (an unmixed image and the nearest other: {:.4}). \
         Mixes inside the network count in the labels alone.",
        found.spacing
    );
    Section { title: "Policies".into(), note, tables: vec![grid], figures: Vec::new() }
}

/// A line for each policy, its branches by weight.
fn lines(
    found: &Stats,
    bins: usize,
    value: impl Fn(&BranchStats, usize) -> Option<f64>,
    x: impl Fn(usize) -> f64,
) -> Vec<Line> {
    let line = |policy: &PolicyStats| {
        let points =
            (0..bins).map(|bin| (x(bin), policy.mean(|branch| value(branch, bin)).unwrap_or(f64::NAN)));
        Line { name: policy.name.clone(), points: points.collect() }
    };
    found.policies.iter().map(line).collect()
}

fn dimensions(found: &Stats) -> Section {
    let chart = |which: usize| {
        let all = found.policies.iter().flat_map(|policy| &policy.branches);
        let most = all.filter_map(|branch| branch.dimensions[which].as_ref()?.iter().max()).max()?;
        let share = |branch: &BranchStats, dimension: usize| {
            let of = branch.dimensions[which].as_ref()?;
            Some(of.iter().filter(|d| **d == dimension).count() as f64 / of.len() as f64)
        };
        let k = NEIGHBOURS[which];
        let lines = lines(found, most + 1, share, |dimension| dimension as f64);
        let title = format!("Images by dimension, {k} neighbours");
        Some(Figure::Chart(Chart { title, x: "intrinsic dimension".into(), lines, mark: None }))
    };
    Section {
        title: "Intrinsic dimension".into(),
        note: "Share of the images at each local dimension: eigenvalues above 5 % of the largest, of the covariance of an image's \
               nearest neighbours (Fukunaga and Olsen, as scikit-dimension's lPCA). Mixing that leaves the manifold of the data \
               moves the curve to the right."
            .into(),
        tables: Vec::new(),
        figures: (0..2).filter_map(chart).collect(),
    }
}

fn labels(found: &Stats) -> Section {
    let share = |branch: &BranchStats, bin: usize| Some(branch.labels.own_histogram()[bin]);
    let bars = |policy: &PolicyStats| {
        let bins = (0..BINS).map(|bin| policy.mean(|branch| share(branch, bin)).unwrap_or(f64::NAN));
        let (title, x) = (policy.name.clone(), "share of the own class, %".to_owned());
        Figure::Bars(Bars { title, x, range: (0.0, 100.0), shares: bins.collect() })
    };
    Section {
        title: "Soft labels".into(),
        note: "How much of the own class is left in a label: share of the images in each of 20 bins.".into(),
        tables: Vec::new(),
        figures: found.policies.iter().map(bars).collect(),
    }
}

fn pairs(found: &Stats) -> Section {
    let grid = |policy: &PolicyStats| Grid {
        caption: policy.name.clone(),
        columns: [String::new()].into_iter().chain(found.classes.iter().cloned()).collect(),
        rows: found
            .classes
            .iter()
            .zip(policy.confusion())
            .map(|(class, row)| {
                [class.clone()].into_iter().chain(row.iter().map(|share| three(*share))).collect()
            })
            .collect(),
        shaded: true,
    };
    Section {
        title: "Shares between classes".into(),
        note: "The mean label of the images of a class (row): how much of it is of each class (column)."
            .into(),
        tables: found.policies.iter().skip(1).map(grid).collect(),
        figures: Vec::new(),
    }
}

fn scatter(title: &str, kind: Kind, mix: Option<&str>, registry: &Registry) -> Result<Figure, Error> {
    let found = demonstrate(kind, mix, registry)?;
    let flat = |point: &Vec<f64>| match point[..] {
        // A helix of radius 100 and height 31, seen from the side and a little from above.
        [x, y, z] => (x, 10.0 * z + 0.25 * y),
        _ => (point[0], point[1]),
    };
    let points = found.points.iter().zip(&found.shares).map(|(point, share)| {
        let (x, y) = flat(point);
        (x, y, *share)
    });
    let (square, every) = if kind == Kind::HalfMoons { (true, 1) } else { (false, 2) };
    let points = points.step_by(every).collect();
    // In the plane, everything has two dimensions.
    let note = match kind {
        Kind::HalfMoons => String::new(),
        Kind::Helix => format!("mean dimension, 8 neighbours: {:.2}", found.dimension),
    };
    Ok(Figure::Scatter(Scatter { title: title.to_owned(), note, points, square }))
}

fn demonstrations(kind: Kind, gammas: &[f64], registry: &Registry) -> Result<Vec<Figure>, Error> {
    let mut figures = vec![
        scatter("unmixed", kind, None, registry)?,
        scatter("mixup, α = 1", kind, Some("mixup: { alpha: 1 }"), registry)?,
    ];
    for gamma in gammas {
        let mix = format!("zeta_mixup: {{ gamma: {gamma} }}");
        figures.push(scatter(&format!("ζ-mixup, γ = {gamma}"), kind, Some(&mix), registry)?);
    }
    Ok(figures)
}

fn moons(registry: &Registry) -> Result<Section, Error> {
    Ok(Section {
        title: "Half-moons".into(),
        note:
            "512 points of two classes in batches of 32; the colour is the label. Not of the recipe's data."
                .into(),
        tables: Vec::new(),
        figures: demonstrations(Kind::HalfMoons, &[3.0, 2.8, 2.4, 2.0], registry)?,
    })
}

fn helix(registry: &Registry) -> Result<Section, Error> {
    Ok(Section {
        title: "Helix".into(),
        note: "4096 points of a curve in space, (100 cos t, 100 sin t, t), in batches of 32; the upper half is the second class. Its \
               dimension is 1. Every second is drawn. Not of the recipe's data."
            .into(),
        tables: Vec::new(),
        figures: demonstrations(Kind::Helix, &[6.0, 4.0, 2.8, 2.0], registry)?,
    })
}

fn weights(batch: usize) -> Section {
    let gammas: Vec<f64> = (0..=60).map(|at| f64::from(at) / 10.0).collect();
    let line = |name: &str, of: &dyn Fn(&[f64]) -> f64| Line {
        name: name.to_owned(),
        points: gammas.iter().map(|&gamma| (gamma, of(&p_series(gamma, batch)))).collect(),
    };
    let at = |rank: usize| move |weights: &[f64]| weights.get(rank).copied().unwrap_or(0.0);
    let lines = vec![
        line("own image", &at(0)),
        line("second", &at(1)),
        line("third", &at(2)),
        line("all others together", &|weights| 1.0 - weights[0]),
    ];
    let mark = Some((DOMINANT, format!("γ = {DOMINANT}")));
    let figure = Figure::Chart(Chart {
        title: format!("Weights of {}", counted(batch, "image")),
        x: "γ".into(),
        lines,
        mark,
    });
    Section {
        title: "ζ-mixup's weights".into(),
        note: "w_r = r^−γ / Σ s^−γ. Right of the mark the own image outweighs all others together, however many they are.".into(),
        tables: Vec::new(),
        figures: vec![figure],
    }
}
