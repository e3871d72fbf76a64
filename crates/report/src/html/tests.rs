use super::*;
use crate::Tile;
use crate::markup::check;
use tallow_data::Image;
use tallow_metrics::{ClassIntervals, ClassSummary, Curves, Predictions};

/// Every part, with text that wants escaping everywhere.
fn full() -> Report {
    let names = ["<MEL>", "N&V", "\"DF\""];
    let class = |name: &str| ClassSummary {
        class: name.into(),
        precision: 0.5,
        recall: f64::NAN,
        specificity: 1.,
        f1: 0.25,
        support: 7,
        auroc: 0.75,
        average_precision: 1.,
    };
    let mut predictions = Predictions::new(&names.map(String::from));
    predictions.push("1", None, 0, &[1., 0., 0.]).unwrap();
    let confusion = vec![vec![1, 2, 3], vec![4, 5, 6], vec![7, 8, 9]];
    let summary = Summary { per_class: names.map(class).into(), confusion, ..Summary::of(&predictions) };
    let epoch = |at: u64| Epoch {
        epoch: at,
        step: at * 10,
        train_loss: 2. / at as f64,
        val_loss: (at != 2).then_some(1.),
        metrics: vec![("macro_f1".into(), 0.1 * at as f64)],
        lr: 0.1,
    };
    let image = Image { width: 3, height: 2, pixels: vec![9; 18] };
    let tile = Tile { image, note: "a<b".into(), shares: vec![0.29, 0.71, 0.], sources: Vec::new() };
    let mistake = Mistake {
        image: Image { width: 300, height: 2, pixels: vec![9; 1800] },
        map: Some(Image { width: 2, height: 1, pixels: vec![9; 6] }),
        id: "N&V/ISIC_<2>".into(),
        truth: "N&V".into(),
        predicted: "<MEL>".into(),
        probability: 0.97,
        of_truth: 0.02,
    };
    let doubt = Doubt {
        image: Image { width: 2, height: 2, pixels: vec![9; 12] },
        map: None,
        id: "ISIC_3".into(),
        truth: "<MEL>".into(),
        first: ("N&V".into(), 0.41),
        second: ("<MEL>".into(), 0.405),
    };
    Report {
        title: "<script>alert(1)</script>".into(),
        subject: "resnet18 & mixup".into(),
        evaluated: "validation, epoch 3".into(),
        headline: vec![Headline {
            name: "macro_f1".into(),
            value: 0.5,
            interval: Some((0.4, 0.6)),
            basis: "95 % over 4 lesions".into(),
            note: "of 3 classes".into(),
        }],
        per_group: Some(PerGroup {
            groups: "4 lesions".into(),
            headline: vec![Headline {
                name: "macro_f1".into(),
                value: 0.625,
                interval: Some((0.5, 0.75)),
                ..Headline::default()
            }],
        }),
        ending: "stopped after epoch 3: no better macro_f1".into(),
        training_loss: "of soft targets".into(),
        mistakes: Some(Mistakes {
            part: "validation".into(),
            wrong: 2,
            images: 9,
            worst: vec![mistake],
            doubts: vec![doubt],
            maps: "Maps of <stage4>.".into(),
        }),
        epochs: (1..=3).map(epoch).collect(),
        best_epoch: Some(3),
        summary: Some(summary),
        intervals: vec![ClassIntervals { recall: Some((0.25, 0.625)), ..ClassIntervals::default() }],
        subgroups: vec![Division {
            column: "sex & age".into(),
            origin: "by image of <metadata>.csv".into(),
            counted: "images".into(),
            parts: vec![DivisionPart {
                value: "<female>".into(),
                count: 12,
                headline: vec![
                    Headline {
                        name: "macro_f1".into(),
                        value: 0.5,
                        interval: Some((0.375, 0.75)),
                        ..Headline::default()
                    },
                    Headline { name: "auroc".into(), value: f64::NAN, ..Headline::default() },
                ],
            }],
            notes: vec!["A class is <missing>.".into()],
        }],
        curves: Some(Curves::of(&predictions)),
        batch: Some(Sheet {
            title: "mixup".into(),
            classes: names.map(String::from).to_vec(),
            tiles: vec![tile],
            ..Sheet::default()
        }),
        data: DataNotes {
            splits: vec![SplitNote {
                name: "train".into(),
                images: 21,
                groups: Some(4),
                per_class: vec![7, 7, 7],
            }],
            notes: vec!["no lesion on two sides".into()],
            broken: vec![("ISIC_1".into(), "truncated <jpeg>".into())],
        },
        recipe: "# a <comment>\nseed: 1 # why\n".into(),
        facts: vec![("device".into(), "cpu".into())],
    }
}

#[test]
fn well_formed_and_self_contained() {
    let html = full().html().unwrap();
    let elements = check(html.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
    assert!(elements > 150, "{elements}");
    let elsewhere = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    assert!(!elsewhere.contains("http") && !elsewhere.contains("<script") && !elsewhere.contains("@import"));
    for part in [
        "&lt;script&gt;alert(1)",
        "resnet18 &amp; mixup",
        "<dt>macro F1</dt><dd>0.500</dd> <dd class=\"interval\">[0.400, 0.600]</dd>",
        "kept: 3",
        "<p class=\"note below\">In brackets: 95 % over 4 lesions.</p>",
        "<dd class=\"small\">of 3 classes</dd>",
        "Each counted once, with the mean of its images' probabilities (4 lesions): macro F1 0.625 [0.500, 0.750].",
        "<small>0.250–0.625</small></td>",
        "<caption>sex &amp; age</caption>",
        "<th>&lt;female&gt;</th><td class=\"n\" data-name=\"images\">12</td>",
        "<i style=\"left:37.5%;width:37.5%;background:var(--c0)\"></i><b style=\"left:50.0%\"></b></span><small>0.375–0.750</small>",
        "<td data-name=\"AUROC\">–<span class=\"bar range\"></span></td>",
        "by image of &lt;metadata&gt;.csv.</p>",
        "<p class=\"plain\">A class is &lt;missing&gt;.</p>",
        "Small print: intervals as of the results; of a number that is 0 or 1, Wilson's; none where a class is never called, or no resample differs.",
        "stopped after epoch 3: no better macro_f1",
        "2 of 9 validation images were predicted wrong; shown are those that the network was surest of.",
        "<b>&lt;MEL&gt;\u{a0}0.970</b>",
        "<small>ISIC_<wbr>&lt;2&gt;<wbr></small>",
        "alt=\"what speaks for &lt;MEL&gt;\"",
        "<p class=\"note\">Maps of &lt;stage4&gt;.</p>",
        "<h3>Least certain</h3>",
        "<b>N&amp;V\u{a0}0.410</b> or &lt;MEL&gt;\u{a0}0.405",
        "&lt;MEL&gt; taken for N&amp;V: 2 of 6, 33.3 %",
        "N&amp;V\u{a0}.71, &lt;MEL&gt;\u{a0}.29",
        "data:image/png;base64,iVBORw0KGgo",
        "<tr><th>all</th><td class=\"n\">21</td></tr><tr><th>groups</th><td class=\"n\">4</td></tr>",
        "<tr><th>&lt;MEL&gt;</th><td class=\"n\">7</td></tr>",
        "specificity</th>",
        "<td data-name=\"F1\">0.250<span class=\"bar\"><i style=\"width:25.0%;background:var(--c3)\"></i></span></td>",
        "no lesion on two sides",
        "1 broken image,",
        "<pre><i># a &lt;comment&gt;</i>\nseed: 1<i> # why</i>\n</pre>",
        "<dt>device</dt><dd>cpu</dd>",
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
    assert_eq!(html.matches("<section ").count(), 10);
    assert!(!html.contains("NaN"));
}

/// What went wrong comes before how it came to be, and an unmixed batch is no result.
#[test]
fn the_order_of_parts() {
    let html = full().html().unwrap();
    let ids: Vec<&str> =
        html.split("<section id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let results = ["results", "errors", "classes", "subgroups", "roc"];
    assert_eq!(ids, [&results[..], &["training", "batch", "data", "run", "recipe"]].concat());
}

/// The loss of mixed, smoothed, weighted targets is another quantity than the validation's log loss.
#[test]
fn no_chart_has_two_losses() {
    let report = full();
    let charts = report.charts();
    let titles: Vec<&str> = charts.iter().map(|(chart, _)| &*chart.title).collect();
    assert_eq!(titles, ["Training loss", "Validation log loss", "Validation metrics", "Learning rate"]);
    for (chart, _) in &charts {
        let losses = chart.lines.iter().filter(|line| line.name.contains("loss")).count();
        assert!(losses == 0 || chart.lines.len() == 1, "{}", chart.title);
    }
    assert_eq!((charts[0].1, charts[1].1.contains("lower is better")), ("of soft targets", true));
}

#[test]
fn each_metric_of_a_class_has_a_colour_of_its_own_beside_its_number() {
    let html = full().html().unwrap();
    let (_, table) = html.split_once("<table class=\"stack classes\">").unwrap();
    let (head, body) = table.split_once("</thead>").unwrap();
    for colour in 0..5 {
        assert_eq!(head.matches(&format!("var(--c{colour})")).count(), 1);
        let bar = format!("background:var(--c{colour})\"></i></span><");
        assert_eq!(body.matches(&bar).count(), 3);
    }
}

#[test]
fn what_intervals_are_is_said_once_on_the_page() {
    let mut report = full();
    report.headline.extend(report.headline.clone());
    let html = report.html().unwrap();
    assert_eq!((html.matches("95 % over 4 lesions").count(), html.matches("[0.400, 0.600]").count()), (1, 2));
}

/// A name breaks at its spaces; the share stays beside its last word.
#[test]
fn captions_break_at_words() {
    let mut report = full();
    let batch = report.batch.as_mut().unwrap();
    batch.classes[1] = "Melanocytic nevus of the acral skin".into();
    let html = report.html().unwrap();
    assert!(html.contains("Melanocytic nevus of the acral skin\u{a0}.71, "), "{html}");
    let rule = html.split("figcaption{").nth(1).and_then(|rest| rest.split('}').next()).unwrap();
    assert!(rule.contains("overflow-wrap:break-word") && !rule.contains("anywhere"), "{rule}");
}

#[test]
fn nothing_wrong_is_said() {
    let mistakes = Mistakes { part: "validation".into(), images: 9, ..Mistakes::default() };
    let html = Report { mistakes: Some(mistakes), ..Report::default() }.html().unwrap();
    assert!(html.contains("None of 9 validation images was predicted wrong."), "{html}");
    assert!(!html.contains("Least certain") && !html.contains("mapped\""), "{html}");
}

#[test]
fn empty_parts_are_left_out() {
    let html = Report { title: "nothing yet".into(), ..Report::default() }.html().unwrap();
    check(html.strip_prefix("<!DOCTYPE html>\n").unwrap()).unwrap();
    assert!(!html.contains("<section"));
}

#[test]
fn written_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report.html");
    full().write(&path).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), full().html().unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let error = full().write(&dir.path().join("absent/report.html")).unwrap_err().to_string();
    assert!(error.contains("absent"), "{error}");
}
