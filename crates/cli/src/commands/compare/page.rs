//! The page of a comparison: the table, and a plot of the differences.

use super::{Found, table};
use tallow_metrics::has_interval;
use tallow_report::{Figure, Grid, Intervals, Page, Section};

pub fn page(found: &[Found]) -> Page {
    let names: Vec<&str> = found[0].models.iter().map(|model| &*model.name).collect();
    let subject = |found: &Found| {
        let way = if found.is_lower_better() { "lower" } else { "higher" };
        let metric = found.metric;
        format!("{}: {}; {way} is better. On {}.", metric.name, metric.summary, found.units())
    };
    Page {
        title: format!("{} compared", names.join(", ")),
        subject: found.iter().map(subject).collect::<Vec<_>>().join(" "),
        sections: found.iter().map(section).collect(),
    }
}

fn section(found: &Found) -> Section {
    let (columns, rows) = table::rows(found);
    let name = &found.metric.name;
    let way = if found.is_lower_better() { "lower" } else { "higher" };
    let others = || found.models[1..].iter().zip(&found.against);
    let row = |(model, against): (&super::Model, &super::Against)| {
        let c = &against.comparison;
        (model.name.clone(), c.difference, c.low, c.high)
    };
    let mut marks = vec![(0.0, String::new())]; // the axis says that it is 0
    if let Some(margin) = &found.against[0].margin {
        let at = if found.is_lower_better() { margin.margin } else { -margin.margin };
        marks.push((at, "margin".to_owned()));
    }
    let plot = Intervals {
        title: format!("{name}: difference to {}", found.models[0].name),
        x: format!("difference ({way} is better)"),
        rows: others().map(row).collect(),
        marks,
    };
    let mut tables = vec![Grid { columns, rows, ..Grid::default() }];
    let notes: Vec<Vec<String>> =
        found.all_notes().into_iter().map(|(name, note)| vec![name, note]).collect();
    if !notes.is_empty() {
        tables.push(Grid {
            columns: vec!["model".into(), "further tests".into()],
            rows: notes,
            ..Grid::default()
        });
    }
    Section {
        title: format!("By {name}"),
        note: format!("{}.", found.method().join("; ")),
        tables,
        // Differences without an interval are in the table alone.
        figures: if has_interval(name) { vec![Figure::Intervals(plot)] } else { Vec::new() },
    }
}
