//! Folders as trainings leave them, and as they are between two writes.

use super::*;
use std::fs;
use std::io::Write;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn step(epoch: u64, step: u64, loss: f64) -> String {
    format!(
        "{{\"epoch\":{epoch},\"step\":{step},\"loss\":{loss:?},\"lr\":0.5,\"branches\":[{{\"branch\":0,\"loss\":9.0}}]}}\n"
    )
}

fn epoch(epoch: u64, step: u64, f1: f64) -> String {
    format!(
        "{{\"epoch\":{epoch},\"step\":{step},\"train_loss\":1.0,\"val_loss\":null,\"macro_f1\":{f1:?},\"lr\":0.5}}\n"
    )
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn run(at: &Path, name: &str, log: &str) -> PathBuf {
    let folder = at.join(name);
    fs::create_dir_all(&folder).unwrap();
    append(&folder.join("metrics.jsonl"), log);
    folder
}

fn seen(watch: &mut Watch) -> Vec<String> {
    watch.find();
    while !watch.read() {}
    watch.runs().map(|run| run.name.clone()).collect()
}

#[test]
fn a_log_grows_and_is_written_anew() {
    let at = folder();
    let place = run(at.path(), "a", &step(1, 1, 2.5)).join("metrics.jsonl");
    let mut watch = Watch::open(at.path()).unwrap();
    assert_eq!(seen(&mut watch), ["a"]);
    let records = |watch: &Watch| watch.run("a").unwrap().records.clone();
    assert_eq!((records(&watch).step, records(&watch).loss.points()), (1, vec![(1.0, 2.5)]));
    // Half a line is waited for.
    let next = step(1, 2, 1.5) + &epoch(1, 2, 0.25);
    append(&place, &next[..10]);
    seen(&mut watch);
    assert_eq!((records(&watch).step, records(&watch).damaged), (1, 0));
    append(&place, &next[10..]);
    seen(&mut watch);
    let now = records(&watch);
    assert_eq!((now.step, now.epoch, now.epochs, now.per_epoch), (2, 1, 1, Some(2.0)));
    assert_eq!(now.loss.points(), [(1.0, 2.5), (2.0, 1.5)]);
    assert_eq!(now.of("macro_f1").unwrap().last(), Some(0.25));
    assert!(now.of("log_loss").unwrap().last().unwrap().is_nan());
    // --overwrite empties the file and goes on in it, longer than it was.
    fs::write(&place, step(1, 1, 7.0) + &step(1, 2, 8.0) + &step(1, 3, 9.0) + &step(1, 4, 6.0)).unwrap();
    seen(&mut watch);
    let now = records(&watch);
    assert_eq!(now.loss.points(), [(1.0, 7.0), (2.0, 8.0), (3.0, 9.0), (4.0, 6.0)]);
    assert_eq!((now.epochs, now.damaged), (0, 0));
    // --resume puts a shorter one in its place.
    fs::write(at.path().join("new"), step(1, 1, 7.0)).unwrap();
    fs::rename(at.path().join("new"), &place).unwrap();
    seen(&mut watch);
    assert_eq!(records(&watch).loss.points(), [(1.0, 7.0)]);
    append(&place, "nonsense\n");
    seen(&mut watch);
    assert_eq!(records(&watch).damaged, 1);
    fs::remove_dir_all(at.path().join("a")).unwrap();
    assert!(seen(&mut watch).is_empty());
}

#[test]
fn runs_are_found_below_sweeps_and_links_are_not_followed() {
    let (at, elsewhere) = (folder(), folder());
    run(at.path(), "x_sweep/policy=mixup/seed=1", "");
    run(at.path(), "a", "");
    run(at.path(), "a/best/inner", "");
    run(at.path(), ".hidden", "");
    run(elsewhere.path(), "secret", "");
    fs::write(at.path().join("compared.html"), "").unwrap();
    fs::create_dir(at.path().join("b")).unwrap();
    #[cfg(unix)]
    {
        let link = |from: &str, to: &str| {
            std::os::unix::fs::symlink(elsewhere.path().join(from), at.path().join(to)).unwrap();
        };
        link("", "out");
        link("secret/metrics.jsonl", "b/metrics.jsonl");
        link("secret/metrics.jsonl", "a/report.html");
    }
    let mut watch = Watch::open(at.path()).unwrap();
    assert_eq!(seen(&mut watch), ["a", "x_sweep/policy=mixup/seed=1"]);
    assert!(!watch.run("a").unwrap().has_report);
    assert_eq!(watch.pages().collect::<Vec<_>>(), ["compared.html"]);
    // A run's folder is a run itself.
    let mut alone = Watch::open(&at.path().join("a")).unwrap();
    assert_eq!(seen(&mut alone), ["a"]);
    let error = Watch::open(&at.path().join("nowhere")).err().unwrap().to_string();
    assert!(error.contains("nowhere: is not there; name the folder that holds your runs"), "{error}");
}

#[test]
fn how_a_run_stands() {
    let at = folder();
    let place = run(at.path(), "a", &(step(1, 1, 1.0) + &step(1, 2, 1.0) + &epoch(1, 2, 0.5)));
    fs::create_dir(place.join("last")).unwrap();
    let recipe = "# a, policy mixup: resolved, complete\ndata: { name: synthetic, batch: 8 }\nlength: 5 epochs\nseed: 3\n";
    fs::write(place.join("recipe.yaml"), recipe).unwrap();
    fs::write(place.join("events.out.tfevents.1700000000.vm.1.0"), "").unwrap();
    let position =
        crate::fit::checkpoint::Position { epoch: 1, step: 2, diverged: Some(1), ..Default::default() };
    fs::write(place.join("last/state.json"), serde_json::to_string(&position).unwrap()).unwrap();
    fs::write(place.join("time.json"), "{ \"seconds\": 4.0 }").unwrap();
    let mut watch = Watch::open(at.path()).unwrap();
    let mut standing = || {
        seen(&mut watch);
        watch.run("a").unwrap().standing
    };
    assert_eq!(standing(), Standing::Interrupted);
    fs::write(place.join("log.txt"), "epoch 1\nerror: step 3: the loss is not finite\n").unwrap();
    assert_eq!(standing(), Standing::Failed);
    fs::write(place.join("report.html"), "").unwrap();
    assert_eq!(standing(), Standing::Finished);
    let lock = crate::fit::lock_of(&place);
    assert_eq!(standing(), Standing::Training);
    let run = watch.run("a").unwrap();
    assert_eq!(run.process, Some(std::process::id()));
    assert_eq!((run.length(), run.diverged()), ((Some(5), Some(10)), Some(1)));
    // 4 s for 2 steps; 8 are left.
    assert_eq!(run.left(), Some(std::time::Duration::from_secs(16)));
    assert_eq!(run.begun.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_700_000_000);
    let recipe = run.recipe.as_ref().unwrap();
    assert_eq!((recipe.policy.as_deref(), recipe.get("seed")), (Some("mixup"), Some("3".to_owned())));
    drop(lock);
    // What a killed process leaves is nobody's.
    fs::write(place.join(".lock"), "1\n").unwrap();
    seen(&mut watch);
    assert_eq!(watch.run("a").unwrap().standing, Standing::Finished);
    // It went on after its report.
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(place.join("last/state.json"), serde_json::to_string(&position).unwrap()).unwrap();
    fs::write(place.join("log.txt"), "error: x\n\nepoch 2\n").unwrap();
    seen(&mut watch);
    assert_eq!(watch.run("a").unwrap().standing, Standing::Interrupted);
    // At the last of its 10 steps the report is of all of it, whenever the files were copied.
    let position = crate::fit::checkpoint::Position { epoch: 5, step: 10, ..position };
    fs::write(place.join("last/state.json"), serde_json::to_string(&position).unwrap()).unwrap();
    seen(&mut watch);
    assert_eq!(watch.run("a").unwrap().standing, Standing::Finished);
}

#[test]
fn a_long_curve_keeps_its_spikes_within_bounds() {
    let mut curve = Curve::default();
    for at in 0..100_000 {
        let y = match at {
            54_321 => 99.0,
            77_777 => -99.0,
            5 => f64::NAN,
            _ => f64::from(at % 7),
        };
        curve.push(f64::from(at), y);
    }
    let points = curve.points();
    assert!((256..=512).contains(&points.len()), "{}", points.len());
    assert!(points.contains(&(54_321.0, 99.0)) && points.contains(&(77_777.0, -99.0)));
    assert!(
        points.windows(2).all(|pair| pair[0].0 < pair[1].0) && points.iter().all(|point| point.1.is_finite())
    );
    assert_eq!(curve.last(), Some(f64::from(99_999 % 7)));
    // A short one is as it is.
    let mut short = Curve::default();
    for (x, y) in [(1.0, 2.0), (2.0, f64::NAN), (3.0, 1.0)] {
        short.push(x, y);
    }
    assert_eq!(short.points().len(), 3);
    assert!(short.points()[1].1.is_nan());
}

#[test]
fn a_log_is_read_in_portions() {
    let at = folder();
    let text: String = (1..=1000).map(|n| step(1, n, 1.0)).collect();
    let place = run(at.path(), "a", &text).join("metrics.jsonl");
    let (mut tail, mut lines, mut looks) = (tail::Tail::default(), 0, 1);
    while !tail.read(&place, 4096, |_| lines += 1).unwrap() {
        looks += 1;
    }
    assert_eq!(lines, 1000);
    assert!(looks > 10, "{looks}");
    // A line that is longer than that is no reason to look again and again.
    let long = run(at.path(), "b", &"x".repeat(5000)).join("metrics.jsonl");
    let none = |_: tail::Piece| panic!("no line has ended");
    assert!(tail::Tail::default().read(&long, 4096, none).unwrap());
}

#[test]
fn recipes_differ_in_some_keys() {
    let of = |text: &str| Recipe::of(text.to_owned()).unwrap();
    let (a, b) = (
        of("seed: 1\nloss: { smoothing: 0.1 }\nimages: [flip: {}]\n"),
        of("seed: 1\nimages: []\nclip: 1.0\n"),
    );
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        differences(&[&a, &b]),
        [
            ("loss.smoothing".to_owned(), vec![some("0.1"), None]),
            ("images".to_owned(), vec![some("[{\"flip\":{}}]"), some("[]")]),
            ("clip".to_owned(), vec![None, some("1.0")]),
        ]
    );
    let folded = of(
        "seed: 0\naccumulate: 1\nloss: { smoothing: 0.0 }\nlength: 2 epochs\noptimizer: { sgd: { momentum: 0.9, nesterov: true } }\n",
    )
    .short;
    assert!(folded.contains("length: 2 epochs") && folded.contains("sgd:"), "{folded}");
    assert!(
        !folded.contains("loss") && !folded.contains("accumulate") && !folded.contains("momentum"),
        "{folded}"
    );
}
