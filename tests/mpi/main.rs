//! Trainings by several ranks of MPI: the same bytes as by one, whatever happens to them on the way. `TALLOW_KILLS=50` kills so many in
//! place of a few. Built with the feature `mpi`; `mpirun` is that of the library.

#[path = "../program.rs"]
#[allow(dead_code)] // of what all tests share, a part
mod program;

use program::{Desk, Program, Said, assert_same};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Three epochs of four steps, the last of which is of a partial batch.
const LONGER: &[&str] = &["tiny.yaml", "data.images=130", "length=3 epochs", "model.name=resnet20"];

fn run(desk: &Desk, ranks: usize, arguments: &[&str]) -> Said {
    desk.program(Program::Train).args(arguments).ranks(ranks).say()
}

#[test]
fn any_number_of_ranks_trains_the_same_bytes() {
    let desk = Desk::new();
    for (name, more) in [
        ("mixed", &[][..]),
        ("synermix", &["policy=synermix_manifold", "clip=1.0"]),
        ("averaged", &["ema={ decay: 0.9 }", "policy=saliencymix_gradient"]),
        ("apart", &["mix_within=shard", "sync_batch_norm=false", "policy=cutmix_zeta_mixup"]),
        ("accumulated", &["accumulate=2", "policy=mixup", "optimizer={ adamw: {} }"]),
        (
            "narrow",
            &[
                "model.name=mobilenet_v3_small",
                "model.input=32",
                "images=[ { resize: [32, 32] } ]",
                "evaluation=[ { resize: [32, 32] } ]",
            ],
        ),
    ] {
        let place = |ranks: usize| format!("{name}_{ranks}");
        let arguments = |out: &str| {
            [LONGER, more, &["--out", out]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let alone = arguments(&place(0));
        let alone: Vec<&str> = alone.iter().map(String::as_str).chain(["shards=4"]).collect();
        desk.train(&alone).ok();
        let expected = desk.bytes(&place(0));
        for ranks in 1..=4 {
            let arguments = arguments(&place(ranks));
            let said = run(&desk, ranks, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).ok();
            assert!(said.err.contains("in 4 shards of"), "{}", said.err);
            // What a run says, it says once.
            assert_eq!(said.err.matches("epoch 1/3").count(), 1, "{}", said.err);
            println!("{name}, {ranks} ranks");
            assert_same(&desk.bytes(&place(ranks)), &expected);
        }
    }
}

#[test]
fn ranks_may_have_different_numbers_of_shards() {
    let desk = Desk::new();
    let arguments = |out| {
        [
            LONGER,
            &[
                "shards=7",
                "model.freeze={ stages: [stem], until: 1 epochs }",
                "early_stop={ patience: 1 }",
                "--out",
                out,
            ],
        ]
        .concat()
    };
    desk.train(&arguments("alone")).ok();
    let said = run(&desk, 5, &arguments("five")).ok();
    assert!(said.err.contains("in 7 shards of 2 or 3 rows, 1 or 2 by each of 5 ranks"), "{}", said.err);
    assert_same(&desk.bytes("five"), &desk.bytes("alone"));
    // Nothing is left to do, and the run's own recipe says into how many shards.
    std::fs::remove_dir_all(desk.path("five/last")).unwrap();
    let said = run(&desk, 2, &["five", "--resume"]).ok();
    assert!(said.err.contains("3 or 4 by each of 2 ranks"), "{}", said.err);
}

/// The processes that `mpirun` started.
fn ranks_of(mpirun: &Child) -> Vec<u32> {
    let said = Command::new("pgrep").args(["-P", &mpirun.id().to_string()]).output().expect("pgrep");
    String::from_utf8_lossy(&said.stdout).lines().filter_map(|line| line.parse().ok()).collect()
}

fn signal(name: &str, process: u32) {
    Command::new("kill").args([&format!("-{name}"), &process.to_string()]).output().expect("kill");
}

#[test]
fn a_run_that_is_killed_goes_on_with_other_ranks() {
    let kills = std::env::var("TALLOW_KILLS").map_or(4, |text| text.parse().expect("a number"));
    let desk = Desk::new();
    let arguments = |out| [LONGER, &["checkpoint.every=1 steps", "--resume-or-start", "--out", out]].concat();
    run(&desk, 2, &arguments("whole")).ok();
    let (mut random, mut killed, mut length) = (1u32, 0, Duration::from_secs(2));
    let mut draw = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    while killed < kills {
        let ranks = 1 + draw(4);
        let began = Instant::now();
        let running = desk.program(Program::Train).args(&arguments("killed")).ranks(ranks as usize);
        let mut mpirun = running.start();
        std::thread::sleep(Duration::from_millis(draw(length.as_millis() as u32).into()));
        let victims = ranks_of(&mpirun);
        // It may be over, or not have begun.
        if !victims.is_empty() {
            let victim = victims[draw(victims.len() as u32) as usize];
            signal(if draw(4) == 0 { "TERM" } else { "KILL" }, victim);
            killed += 1;
        }
        if mpirun.wait().expect("a child ends").success() {
            // To its end before it was killed: once more.
            length = began.elapsed();
            std::fs::remove_dir_all(desk.path("killed")).expect("a run");
        }
    }
    run(&desk, 3, &arguments("killed")).ok();
    assert_same(&desk.bytes("killed"), &desk.bytes("whole"));
}

/// On a folder of images.
const OWN: &str = "\
data: { name: folder, root: images, batch: 4, split: { validation: 0.25 } }
model: { name: resnet20, input: 16 }
optimizer: { sgd: {} }
length: 1 epochs
";

/// Twelve images of two classes in the folder `images` of another one; `last` is in the last of them alone.
fn draw_images(desk: &Desk, inside: &str, last: u8) {
    for index in 0..12 {
        let last = if index == 11 { last } else { 1 };
        let picture = image::RgbImage::from_fn(16, 16, |x, y| {
            image::Rgb([(x * y) as u8, index * 10, if x == 15 { last } else { 0 }])
        });
        let folder = desk.path(&format!("{inside}/images/{}", ["one", "two"][usize::from(index % 2)]));
        std::fs::create_dir_all(&folder).expect("a folder");
        picture.save(folder.join(format!("{index}.png"))).expect("a file");
    }
}

#[test]
fn images_are_looked_at_by_all_ranks() {
    let desk = Desk::new();
    draw_images(&desk, ".", 1);
    desk.write("own.yaml", OWN);
    // One that each of two ranks would look at.
    for broken in ["images/one/4.png", "images/two/5.png"] {
        let bytes = std::fs::read(desk.path(broken)).expect("a file");
        std::fs::write(desk.path(broken), &bytes[..bytes.len() / 2]).expect("a file");
    }
    let said = run(&desk, 3, &["own.yaml"]);
    said.complains(3, &["one/4.png", "two/5.png", "broken: skip"]);
    assert_eq!(said.err.matches("error:").count(), 1, "{}", said.err);
    desk.train(&["own.yaml", "data.broken=skip", "shards=4", "--out", "alone"]).ok();
    run(&desk, 3, &["own.yaml", "data.broken=skip", "--out", "together"]).ok();
    assert_same(&desk.bytes("together"), &desk.bytes("alone"));
}

#[test]
fn a_rank_that_trains_something_else_is_named() {
    let desk = Desk::new();
    // The same names and labels in two folders, and another picture in one.
    draw_images(&desk, "a", 1);
    draw_images(&desk, "b", 9);
    // And a third one with another list of them, of which one is broken.
    draw_images(&desk, "c", 1);
    std::fs::write(desk.path("c/images/one/99.png"), "no picture").expect("a file");
    desk.write("own.yaml", OWN);
    for (first, other, what) in [
        ("-wdir a -n 1 TRAIN ../tiny.yaml seed=1", "-wdir a -n 1 TRAIN ../tiny.yaml seed=2", "recipe"),
        ("-wdir a -n 1 TRAIN ../own.yaml", "-wdir b -n 1 TRAIN ../own.yaml", "images"),
        ("-wdir a -n 1 TRAIN ../own.yaml", "-wdir c -n 1 TRAIN ../own.yaml", "data"),
    ] {
        let line =
            format!("mpirun --allow-run-as-root --oversubscribe {first} --out run : {other} --out run");
        let line = line.replace("TRAIN", env!("CARGO_BIN_EXE_train"));
        let said = Command::new("sh").args(["-c", &line]).current_dir(desk.path("")).output().expect("sh");
        let err = String::from_utf8_lossy(&said.stderr);
        assert_eq!(said.status.code(), Some(2), "{err}");
        assert!(err.contains(&format!("error: ranks 1 and 0 differ in their {what}")), "{err}");
        assert_eq!(err.matches("error:").count(), 1, "{err}");
    }
}

/// As GPUs walk shards: by ops that hear of no other shard. Here they are candle's, on the CPU.
#[test]
fn shards_by_themselves_need_no_kernel_of_ours() {
    let desk = Desk::new();
    let arguments = |out| {
        [LONGER, &["shards=2", "mix_within=shard", "sync_batch_norm=false", "policy=cutmix", "--out", out]]
            .concat()
    };
    let composed = |ranks: usize, out| {
        let program = desk.program(Program::Train).args(&arguments(out)).env("TALLOW_FALLBACK", "1");
        program.ranks(ranks).say().ok();
    };
    composed(2, "two");
    composed(1, "one");
    run(&desk, 2, &arguments("kernels")).ok();
    let loss = |run: &str| -> f64 {
        let lines = desk.read(&format!("{run}/metrics.jsonl"));
        let value: serde_json::Value =
            serde_json::from_str(lines.lines().next().expect("an epoch")).expect("JSON");
        value["loss"].as_f64().unwrap_or_else(|| panic!("{value}"))
    };
    // Candle's ops round otherwise with another number of threads.
    for out in ["one", "two"] {
        assert!((loss(out) - loss("kernels")).abs() < 1e-3, "{out}: {} {}", loss(out), loss("kernels"));
    }
    let said =
        desk.program(Program::Train).args(&["tiny.yaml", "shards=2"]).env("TALLOW_FALLBACK", "1").say();
    assert!(said.err.contains("sync_batch_norm: false"), "{}", said.err);
}

#[test]
fn what_cannot_begin_is_told_once() {
    let desk = Desk::new();
    run(&desk, 2, &["tiny.yaml", "optimizer=3"]).complains(2, &["optimizer"]);
    let said = run(&desk, 3, &["tiny.yaml", "shards=2"]);
    said.complains(2, &["shards", "expected one or more for each of 3 ranks, got 2"]);
    assert_eq!(said.err.matches("error:").count(), 1, "{}", said.err);
    run(&desk, 2, &["tiny.yaml", "seeds=2"]).complains(2, &["tallow sweep RECIPE --array"]);
    assert!(!desk.path("checkpoints").exists());
}

#[test]
fn a_rank_that_is_stopped_is_told_of() {
    let desk = Desk::new();
    let mut command = Command::new("sh");
    let train = env!("CARGO_BIN_EXE_train");
    let line = format!(
        "exec mpirun --allow-run-as-root --oversubscribe -n 2 {train} tiny.yaml 'length=4000 steps' --out run 2>err.txt"
    );
    let mut mpirun = command.args(["-c", &line]).current_dir(desk.path("")).spawn().expect("sh");
    let began = Instant::now();
    while !desk.path("run/metrics.jsonl").exists() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let ranks = ranks_of(&mpirun);
    assert_eq!(ranks.len(), 2, "{}", desk.read("err.txt"));
    signal("STOP", ranks[1]);
    let said = || desk.read("err.txt").contains("rank 0: rank 1 has not answered for 1");
    let began = Instant::now();
    while !said() && began.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(said(), "{}", desk.read("err.txt"));
    // It goes on where it can, and a rank that dies ends the others.
    signal("CONT", ranks[1]);
    signal("KILL", ranks[1]);
    let began = Instant::now();
    assert!(!mpirun.wait().expect("a child ends").success());
    assert!(began.elapsed() < Duration::from_secs(10));
}
