use super::*;
use crate::markup::check;
use tallow_data::Image;
use tallow_metrics::Predictions;

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
    Report {
        title: "<script>alert(1)</script>".into(),
        subject: "resnet18 & mixup".into(),
        evaluated: "validation, epoch 3".into(),
        headline: vec![Headline {
            name: "macro_f1".into(),
            value: 0.5,
            interval: Some((0.4, 0.6)),
            note: "95 %".into(),
        }],
        epochs: (1..=3).map(epoch).collect(),
        best_epoch: Some(3),
        summary: Some(summary),
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
        "&lt;MEL&gt; taken for N&amp;V: 2 of 6, 33.3 %",
        "N&amp;V\u{a0}.71 &lt;MEL&gt;\u{a0}.29",
        "data:image/png;base64,iVBORw0KGgo",
        "<td class=\"n\">21</td><td class=\"n\">4</td>",
        "<th class=\"n\">specificity</th>",
        "style=\"--v:100.0%\">1.000</td><td class=\"n bar\" style=\"--v:25.0%\">0.250</td>",
        "no lesion on two sides",
        "1 broken image,",
        "<pre><i># a &lt;comment&gt;</i>\nseed: 1<i> # why</i>\n</pre>",
        "<dt>device</dt><dd>cpu</dd>",
    ] {
        assert!(html.contains(part), "{part} is missing");
    }
    assert_eq!(html.matches("<section ").count(), 7);
    assert!(!html.contains("NaN"));
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
