use super::*;
use indicatif::TermLike;

#[derive(Clone, Default, Debug)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A terminal of 80 columns that remembers what was written; moving and clearing are left out.
impl TermLike for Sink {
    fn width(&self) -> u16 {
        80
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(&format!("{text}\n"))
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        self.0.lock().unwrap().extend(text.as_bytes());
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        self.write_str("\r")
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}

fn pause() {
    std::thread::sleep(Duration::from_millis(5)); // a rate needs some time to be one
}

#[test]
fn lines_say_how_far() {
    let sink = Sink::default();
    let progress = Progress::lines(sink.clone(), Duration::ZERO);
    let bar = progress.epoch(3, 20, 128);
    pause();
    bar.tick(32, &[("loss", 0.81234), ("lr", 0.00001)]);
    bar.tick(96, &[("loss", 0.7)]); // the last: `finish` speaks for it
    bar.finish(&[("loss", 0.75), ("val_loss", 2.)]);
    let text = sink.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].starts_with("epoch  3/20  25 %  "), "{text}");
    assert!(lines[0].ends_with(" left  loss 0.8123  lr 1.0e-5") && lines[0].contains(" img/s  "), "{text}");
    assert!(lines[1].starts_with("epoch  3/20  0.0 s  "), "{text}");
    assert!(lines[1].ends_with(" img/s  loss 0.7500  val_loss 2.0000"), "{text}");
}

#[test]
fn lines_are_rare() {
    let sink = Sink::default();
    let progress = Progress::lines(sink.clone(), Duration::from_secs(3600));
    let bar = progress.bar("verify", Unit::Files, None);
    (0..1000).for_each(|_| bar.tick(1, &[]));
    assert_eq!(sink.text(), "");
    bar.finish(&[]);
    assert!(
        sink.text().starts_with("verify  0.0 s  ") && sink.text().ends_with(" files/s\n"),
        "{}",
        sink.text()
    );
}

#[test]
fn an_unfinished_bar_leaves_no_line() {
    let sink = Sink::default();
    drop(Progress::lines(sink.clone(), Duration::ZERO).epoch(1, 1, 1));
    assert_eq!(sink.text(), "");
    let hidden = Progress::hidden();
    hidden.note("nothing");
    hidden.epoch(1, 1, 1).finish(&[]);
}

#[test]
fn a_bar_fits_80_columns() {
    let sink = Sink::default();
    let progress = Progress::bars(ProgressDrawTarget::term_like_with_hz(Box::new(sink.clone()), 255), false);
    let bar = progress.epoch(100, 300, 50_000);
    for _ in 0..4 {
        pause();
        bar.tick(10_000, &[("loss", 0.81234), ("lr", 0.012)]);
    }
    let drawn = sink.text();
    assert!(
        drawn.contains("epoch 100/300 ━") && drawn.contains("80 %") && drawn.contains("img/s"),
        "{drawn}"
    );
    assert!(drawn.contains("loss 0.8123  lr 0.0120"), "{drawn}");
    assert!(!drawn.contains('\u{1b}'), "no escape sequences without colour: {drawn:?}");
    let widest = drawn.split(['\r', '\n']).map(|line| line.chars().count()).max().unwrap();
    assert!((70..=80).contains(&widest), "{widest}: {drawn}");
    progress.note("saved best");
    bar.finish(&[("loss", 0.5)]);
    assert!(
        sink.text().contains("saved best") && sink.text().contains("img/s  loss 0.5000"),
        "{}",
        sink.text()
    );
}

#[test]
fn long_lines_are_folded() {
    let parts: Vec<_> = (0..9).map(|at| format!("metric_{at} 0.1234")).collect(); // 15 columns each
    let folded = fold(&parts);
    assert!(folded.lines().all(|line| line.chars().count() <= 80), "{folded}");
    assert_eq!(folded.lines().count(), 3); // 4 · 15 + 3 · 2 = 66; then 4 + 15 + 3 · 17 = 70; then one
    assert_eq!(folded.split_whitespace().count(), 18);
}

#[test]
fn numbers_for_people() {
    let of = |value: f64| number(value);
    assert_eq!(
        [of(0.), of(0.81234), of(-2.), of(1.23e-5), of(20480.4)],
        ["0", "0.8123", "-2.0000", "1.2e-5", "20480"]
    );
    assert_eq!([of(f64::NAN), of(f64::INFINITY)], ["nan", "inf"]);
    let of = |seconds| duration(Duration::from_secs_f64(seconds));
    assert_eq!([of(3.12), of(59.9), of(754.), of(3723.)], ["3.1 s", "1:00", "12:34", "1:02:03"]);
    assert_eq!([bytes(999.), bytes(1.5e6), bytes(2.77e9)], ["999 B", "1.5 MB", "2.77 GB"]);
    assert_eq!([rate(Unit::Images, 3.12), rate(Unit::Images, 412.3)], ["3.1 img/s", "412 img/s"]);
}

#[test]
fn lines_are_kept_from_where_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("log.txt");
    let text = || std::fs::read_to_string(&place).unwrap();
    let progress = Progress::hidden();
    progress.note("of another run");
    progress.keep_in(&place);
    assert!(!place.exists(), "nothing is held");
    progress.hold();
    progress.note("first");
    progress.keep_in(&place);
    progress.clone().note("second");
    progress.bar("epoch", Unit::Images, Some(1)).finish(&[]);
    progress.let_go(Some("error: x"));
    progress.note("of nobody");
    let one = text();
    assert!(one.starts_with("first\nsecond\nepoch  ") && one.ends_with("\nerror: x\n"), "{one}");
    // A part that goes on stands below an empty line.
    progress.hold();
    progress.note("again");
    progress.keep_in(&place);
    assert_eq!(text(), format!("{one}\nagain\n"));
}
