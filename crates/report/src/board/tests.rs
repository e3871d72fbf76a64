//! Pages of the board: what they say, escaped.

use super::*;
use crate::{Chart, Line, Section};

const HOSTILE: &str = "<img src=x onerror=alert(1)>\"'";

fn row(id: &str) -> Row {
    Row {
        group: "sweep".into(),
        name: id.into(),
        id: id.into(),
        link: "/run/a".into(),
        about: "resnet20, mixup".into(),
        standing: "training".into(),
        tone: Tone::Live,
        epoch: "2 of 15".into(),
        metric: "macro_f1".into(),
        best: Some((0.5, 2)),
        last: Some(0.25),
        curve: vec![(1., 0.1), (2., f64::NAN), (3., 0.5)],
        ..Row::default()
    }
}

#[test]
fn names_are_escaped_on_every_page() {
    let index = Index {
        rows: vec![row(HOSTILE)],
        runs: 1,
        filter: HOSTILE.into(),
        folder: HOSTILE.into(),
        ..Index::default()
    };
    let run = RunPage {
        row: row(HOSTILE),
        warnings: vec![HOSTILE.into()],
        said: vec![HOSTILE.into()],
        recipe: [HOSTILE, HOSTILE].map(str::to_owned),
        ..RunPage::default()
    };
    let side = Side {
        runs: vec![SideRun {
            row: row(HOSTILE),
            epochs: vec![(HOSTILE.into(), vec![(1., 2.)])],
            ..SideRun::default()
        }],
        comparison: Some(Err(HOSTILE.into())),
        differences: vec![(HOSTILE.into(), vec![Some(HOSTILE.into())])],
        ..Side::default()
    };
    for html in [index.html(), run.html(), side.html(), failed(HOSTILE, HOSTILE)] {
        assert!(html.contains("&lt;img src=x onerror=") && !html.contains("<img"), "{html}");
        // No script but the file, and no style element: the policy of the pages lets neither through.
        assert_eq!((html.matches("<script").count(), html.matches("<style").count()), (1, 0));
        assert!(html.contains("<script src=\"/board.js\" defer></script>"));
    }
}

#[test]
fn runs_stand_in_their_folders() {
    let rows = vec![row("a"), Row { group: "other".into(), ..row("b") }, row("c")];
    let html = Index { rows, runs: 5, ..Index::default() }.html();
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text} in {html}"));
    assert!(at("<h2>sweep</h2>") < at("pick:a") && at("pick:c") < at("<h2>other</h2>"));
    assert!(html.contains("3 of 5 runs are shown"));
    assert!(html.contains("aria-label=\"macro F1: from 0.100 to 0.500\""), "{html}");
    // A curve of one point is none.
    assert_eq!(spark::spark("x", &[(1., 2.)]), "");
}

#[test]
fn a_run_keeps_its_colour_where_it_has_no_curve() {
    let with = |id: &str, epochs| SideRun { row: row(id), epochs, ..SideRun::default() };
    let curve = |name: &str| (name.to_owned(), vec![(1., 1.), (2., 2.)]);
    let side = Side {
        runs: vec![
            with("s/a/1", vec![curve("train_loss")]),
            with("s/b/1", vec![curve("train_loss"), curve("auroc")]),
        ],
        ..Side::default()
    };
    let html = side.html();
    let (_, auroc) = html.split_once("aria-label=\"AUROC\"").unwrap();
    let auroc = auroc.split("</svg>").next().unwrap();
    // Two lines of the legend, one line of the plot: that of the second colour.
    assert_eq!(
        (
            auroc.matches("var(--c0)").count(),
            auroc.matches("class=\"line\" style=\"stroke:var(--c1)\"").count()
        ),
        (1, 2)
    );
    assert!(html.contains(">a</text>") && html.contains(">b</text>"), "{html}");
}

#[test]
fn names_are_shortened_to_what_differs() {
    let of = |names: &[&str]| shortened(names);
    assert_eq!(of(&["x/policy=mixup/seed=1", "x/policy=none/seed=1"]), ["policy=mixup", "policy=none"]);
    assert_eq!(
        of(&["x/policy=mixup/seed=1", "x/policy=none/seed=2"]),
        ["policy=mixup/seed=1", "policy=none/seed=2"]
    );
    assert_eq!(of(&["a", "b"]), ["a", "b"]);
    assert_eq!(of(&["x/a", "x/a/b"]), ["a", "a/b"]);
    assert_eq!(of(&["x/a", "x/a"]), ["a", "a"]);
    assert_eq!(of(&[]), Vec::<String>::new());
}

#[test]
fn what_was_compared_is_a_section_of_ours() {
    let chart = Chart {
        title: "t".into(),
        lines: vec![Line { name: "a".into(), points: vec![(0., 1.)] }],
        ..Chart::default()
    };
    let found = Section {
        note: "over images".into(),
        figures: vec![crate::Figure::Chart(chart)],
        ..Section::default()
    };
    let side = Side {
        runs: vec![SideRun { row: row("a"), ..SideRun::default() }],
        metrics: vec!["macro_f1".into(), "auroc".into()],
        metric: Some("auroc".into()),
        comparison: Some(Ok(found)),
        ..Side::default()
    };
    let html = side.html();
    assert!(
        html.contains("<option value=\"auroc\" selected>auroc</option>") && html.contains("over images"),
        "{html}"
    );
}
