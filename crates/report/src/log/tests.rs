use super::*;

fn epoch(epoch: u64) -> Epoch {
    let metrics = vec![("accuracy".into(), 0.5), ("macro_f1".into(), 0.25)];
    Epoch { epoch, step: 2 * epoch, train_loss: 1.5, val_loss: Some(2.), metrics, lr: 0.1 }
}

/// Two steps an epoch.
fn run(log: &mut Log, epochs: impl Iterator<Item = u64>) {
    for at in epochs {
        for step in [2 * at - 1, 2 * at] {
            log.step(at, step, &[("loss", 1. / step as f64), ("lr", 0.1)], &[]).unwrap();
        }
        log.epoch(&epoch(at)).unwrap();
    }
}

fn texts(dir: &Path) -> [String; 2] {
    ["metrics.jsonl", "summary.csv"].map(|name| fs::read_to_string(dir.join(name)).unwrap())
}

#[test]
fn one_epoch_as_text() {
    let dir = tempfile::tempdir().unwrap();
    run(&mut Log::open(dir.path(), None).unwrap(), 1..=1);
    let [lines, summary] = texts(dir.path());
    assert_eq!(
        lines,
        "{\"epoch\":1,\"step\":1,\"loss\":1.0,\"lr\":0.1}\n\
         {\"epoch\":1,\"step\":2,\"loss\":0.5,\"lr\":0.1}\n\
         {\"epoch\":1,\"step\":2,\"train_loss\":1.5,\"val_loss\":2.0,\"accuracy\":0.5,\"macro_f1\":0.25,\"lr\":0.1}\n"
    );
    assert_eq!(summary, "epoch,train_loss,val_loss,accuracy,macro_f1,lr\n1,1.5,2,0.5,0.25,0.1\n");
    assert_eq!(history(dir.path()).unwrap(), [epoch(1)]);
}

#[test]
fn resumed_is_uninterrupted() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&mut Log::open(whole.path(), None).unwrap(), 1..=4);
    run(&mut Log::open(cut.path(), None).unwrap(), 1..=3);
    // Killed in the middle of a line; the checkpoint is of step 4, the end of epoch 2.
    for name in ["metrics.jsonl", "summary.csv"] {
        let mut file = OpenOptions::new().append(true).open(cut.path().join(name)).unwrap();
        file.write_all(b"{\"epoch\":4,\"st").unwrap();
    }
    run(&mut Log::open(cut.path(), Some((4, 2))).unwrap(), 3..=4);
    assert_eq!(texts(cut.path()), texts(whole.path()));
    assert_eq!(events::existing(cut.path()).unwrap().len(), 2);
    assert_eq!(history(cut.path()).unwrap().len(), 4);
}

#[test]
fn an_epoch_that_is_evaluated_again_is_logged_once() {
    let (whole, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    run(&mut Log::open(whole.path(), None).unwrap(), 1..=2);
    run(&mut Log::open(cut.path(), None).unwrap(), 1..=2);
    // The checkpoint is of step 4, whose epoch was not evaluated then.
    let mut log = Log::open(cut.path(), Some((4, 1))).unwrap();
    assert_eq!(log.gap(), None);
    log.epoch(&epoch(2)).unwrap();
    assert_eq!(texts(cut.path()), texts(whole.path()));
}

#[test]
fn resumed_within_the_first_epoch() {
    let dir = tempfile::tempdir().unwrap();
    run(&mut Log::open(dir.path(), None).unwrap(), 1..=2);
    drop(Log::open(dir.path(), Some((1, 0))).unwrap());
    let [lines, summary] = texts(dir.path());
    assert_eq!(lines, "{\"epoch\":1,\"step\":1,\"loss\":1.0,\"lr\":0.1}\n");
    assert_eq!(summary, "epoch,train_loss,val_loss,accuracy,macro_f1,lr\n");
}

#[test]
fn opening_anew_forgets() {
    let dir = tempfile::tempdir().unwrap();
    run(&mut Log::open(dir.path(), None).unwrap(), 1..=2);
    drop(Log::open(dir.path(), None).unwrap());
    assert_eq!(texts(dir.path()), ["", ""]);
    assert_eq!(events::existing(dir.path()).unwrap().len(), 1);
}

#[test]
fn what_is_not_finite() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path(), None).unwrap();
    let odd = Epoch { train_loss: f64::NAN, val_loss: None, lr: f64::INFINITY, ..epoch(1) };
    log.epoch(&odd).unwrap();
    let [lines, summary] = texts(dir.path());
    assert!(lines.contains("\"train_loss\":null,\"val_loss\":null"), "{lines}");
    assert!(summary.ends_with("\n1,nan,,0.5,0.25,inf\n"), "{summary}");
    let read = &history(dir.path()).unwrap()[0];
    assert!(read.train_loss.is_nan() && read.val_loss.is_none());
}

#[test]
fn other_columns_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = Log::open(dir.path(), None).unwrap();
    log.epoch(&epoch(1)).unwrap();
    let other = Epoch { metrics: vec![("a,b".into(), 1.)], ..epoch(2) };
    let error = log.epoch(&other).unwrap_err().to_string();
    assert!(error.contains("expected the columns `epoch,train_loss,val_loss,\"a,b\",lr`"), "{error}");
    assert_eq!(history(dir.path()).unwrap().len(), 1);
}

#[test]
fn a_damaged_line_is_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("metrics.jsonl"), "{\"step\":1}\nnonsense\n").unwrap();
    let error = Log::open(dir.path(), Some((9, 9))).err().unwrap().to_string();
    assert!(error.contains("metrics.jsonl: line 2: expected a JSON object"), "{error}");
}
