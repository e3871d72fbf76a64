//! Bad data, bad folders, divergence and signals: exit code, remedy, and what is left behind.

use crate::program::{Desk, Program};
use std::fs;

/// Two classes of small pictures, for the sources that read files.
pub fn pictures(desk: &Desk, folder: &str, each: u8) {
    for class in ["a", "b"] {
        for number in 0..each {
            let path = desk.path(&format!("{folder}/{class}/{class}{number}.jpg"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let (red, step) = (if class == "a" { 220 } else { 20 }, number.wrapping_mul(9));
            let pixel = |x: u32, y: u32| image::Rgb([red, (x * 8) as u8, (y * 8) as u8 ^ step]);
            image::RgbImage::from_fn(20, 20, pixel).save(path).unwrap();
        }
    }
}

pub const FOLDER: &str = "data={ name: folder, root: images, batch: 4, split: { validation: 0.25 } }";
const CSV: &str = "data={ name: csv, file: images.csv, root: images, batch: 4, group: lesion, split: { validation: 0.25 } }";

/// Nothing but the recipe and what the test put there.
#[track_caller]
fn nothing_left(desk: &Desk, there: &[&str]) {
    let mut expected = [&["tiny.yaml"], there].concat();
    expected.sort_unstable();
    assert_eq!(desk.names("."), expected);
}

pub const SQUARE: &str = "images=[ { resize: [16, 16] } ]";

#[test]
fn images_too_small_for_a_network_are_a_mistake_of_the_recipe() {
    let desk = Desk::new();
    for model in ["densenet121", "vgg11_bn"] {
        let said = desk.train(&["tiny.yaml", &format!("model.name={model}"), "--dry-run"]);
        said.complains(
            2,
            &[
                "model.input",
                &format!("16 px are too few for {model}, which divides them by 32; write at least 32"),
            ],
        );
    }
    // Known from the recipe alone; the default stem of a ResNet divides by 32, that for small images by 8.
    desk.tallow(&["check", "tiny.yaml", "model.name=resnet18"])
        .complains(2, &["model.input: 16 px are too few for resnet18", "`stem: cifar`"]);
    desk.tallow(&["check", "tiny.yaml", "model.name=resnet18", "model.stem=cifar"]).ok();
}

#[test]
fn ramps_and_windows_that_change_the_size_are_a_mistake() {
    let desk = Desk::new();
    for images in ["images=[ { resize: { from: 16, to: 8 } } ]", "images=[ { resize: 8, during: 0.5..1 } ]"] {
        desk.train(&["tiny.yaml", images, "--dry-run"]).complains(2, &["gives images of 8 by 8 pixels"]);
    }
}

#[test]
fn folders_and_tables_of_pictures_are_trained_on() {
    let desk = Desk::new();
    pictures(&desk, "images", 6);
    let said = desk.train(&["tiny.yaml", FOLDER, SQUARE, "length=1 epochs", "--out", "folder"]).ok();
    assert!(!said.out.contains("--split test"), "there is no test part: {}", said.out);
    assert_eq!(desk.read("folder/predictions.csv").lines().next().unwrap(), "id,group,label,predicted,a,b");
    let rows = |class: &str| {
        (0..6).map(|i| format!("{class}/{class}{i}.jpg,{class},l{}\n", i / 2)).collect::<String>()
    };
    let rows = rows("a") + &rows("b").replace(",l", ",m");
    desk.write("images.csv", format!("path,label,lesion\n{rows}"));
    desk.train(&["tiny.yaml", CSV, SQUARE, "length=1 epochs", "--out", "csv"]).ok();
    assert!(desk.read("csv/predictions.csv").lines().count() > 2);
}

#[test]
fn missing_data() {
    let desk = Desk::new();
    for (data, words) in [
        (FOLDER, ["images: no such folder", "data.root="]),
        (CSV, ["images.csv: no such file", "data.file="]),
        ("data={ name: isic2018, root: isic, batch: 4 }", ["isic", "ISIC2018_Task3_Training_Input"]),
        ("data={ name: cifar10, root: cifar, batch: 4 }", ["cifar", "data.root="]),
        ("data={ name: medmnist, path: pneumonia.npz, batch: 4 }", ["pneumonia.npz", "data.path="]),
    ] {
        for command in [&["train"][..], &["train", "--dry-run"], &["preview"]] {
            desk.tallow(&[command, &["tiny.yaml", data]].concat()).complains(3, &words);
        }
    }
    desk.train(&["nowhere.yaml"]).complains(2, &["nowhere.yaml: there is no such recipe"]);
    nothing_left(&desk, &[]);
}

#[test]
fn a_table_that_names_absent_images() {
    let desk = Desk::new();
    pictures(&desk, "images", 4);
    desk.write("images.csv", "path,label,lesion\na/a0.jpg,a,l1\na/gone.jpg,a,l2\nb/b0.jpg,b,l3\n");
    let said = desk.train(&["tiny.yaml", CSV]);
    said.complains(3, &["images.csv", "1 of 3 images", "a/gone.jpg"]);
    nothing_left(&desk, &["images", "images.csv"]);
}

#[test]
fn a_truncated_picture() {
    let desk = Desk::new();
    pictures(&desk, "images", 6);
    let path = desk.path("images/b/b2.jpg");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 60]).unwrap();
    let said = desk.train(&["tiny.yaml", FOLDER, SQUARE]);
    said.complains(3, &["1 of ", "b2.jpg", "broken: skip"]);
    nothing_left(&desk, &["images"]);
    let said = desk
        .train(&["tiny.yaml", FOLDER, SQUARE, "data.broken=skip", "length=1 epochs", "--out", "run"])
        .ok();
    assert!(said.err.contains("left out: 1 of") && said.err.contains("b2.jpg"), "{}", said.err);
    assert!(desk.read("run/report.html").contains("b2.jpg"));
}

#[test]
fn broken_pictures_of_all_parts_are_named_at_once() {
    let desk = Desk::new();
    pictures(&desk, "images", 4);
    let rows =
        ["a/a0.jpg,a,train", "a/a1.jpg,a,val", "b/b0.jpg,b,train", "b/b1.jpg,b,val", "a/a2.jpg,a,test"];
    desk.write("images.csv", format!("path,label,split\n{}\n", rows.join("\n")));
    for name in ["a/a0", "b/b1", "a/a2"] {
        desk.write(&format!("images/{name}.jpg"), "not a jpeg");
    }
    let data = "data={ name: csv, file: images.csv, root: images, batch: 2 }";
    desk.train(&["tiny.yaml", data, SQUARE]).complains(
        3,
        &[
            "1 of 2 train images cannot be read:\n  a/a0.jpg: ",
            "1 of 2 validation images cannot be read:\n  b/b1.jpg: ",
            "1 of 1 test images cannot be read:\n  a/a2.jpg: ",
            "broken: skip",
        ],
    );
    nothing_left(&desk, &["images", "images.csv"]);
}

#[test]
fn a_lesion_on_both_sides() {
    let desk = Desk::new();
    pictures(&desk, "images", 4);
    let rows = "a/a0.jpg,a,l1\na/a1.jpg,a,l1\nb/b0.jpg,b,l2\nb/b1.jpg,b,l3\n";
    desk.write("images.csv", format!("path,label,lesion\n{rows}"));
    desk.write("split.csv", "image,split\na/a0.jpg,train\na/a1.jpg,val\nb/b0.jpg,train\nb/b1.jpg,val\n");
    let arguments = ["tiny.yaml", CSV, "data.split={ file: split.csv }"];
    desk.train(&arguments)
        .complains(3, &["split.csv: lesion `l1` is on 2 sides", "a/a0.jpg", "a/a1.jpg", "one side"]);
    // The table's own parts are held to the same.
    let parts = "path,label,lesion,split\na/a0.jpg,a,l1,train\na/a1.jpg,a,l1,val\nb/b0.jpg,b,l2,train\nb/b1.jpg,b,l3,val\n";
    desk.write("images.csv", parts);
    let data = "data={ name: csv, file: images.csv, root: images, batch: 4, group: lesion }";
    desk.train(&["tiny.yaml", data]).complains(3, &["images.csv: lesion `l1` is on 2 sides"]);
    nothing_left(&desk, &["images", "images.csv", "split.csv"]);
}

#[test]
fn a_folder_that_holds_something() {
    let desk = Desk::new();
    desk.write("run/notes.txt", "mine");
    let said = desk.train(&["tiny.yaml", "--out", "run"]);
    said.complains(2, &["run: is not empty, and holds no run", "--overwrite", "--out DIR"]);
    let said = desk.train(&["tiny.yaml", "--out", "run", "--resume"]);
    said.complains(2, &["run: holds no run to resume", "leave --resume out"]);
    let said = desk.train(&["tiny.yaml", "--out", "absent", "--resume"]);
    said.complains(2, &["absent: there is no such folder to resume", "leave --resume out"]);
    desk.train(&["tiny.yaml", "--out", "tiny.yaml"]).complains(2, &["tiny.yaml: is a file", "--out DIR"]);
    nothing_left(&desk, &["run"]);
    assert_eq!(desk.names("run"), ["notes.txt"]);
    // Overwriting takes away what a run wrote and nothing else.
    desk.train(&["tiny.yaml", "--out", "run", "--overwrite", "ema.decay=0.9", "length=1 epochs"]).ok();
    desk.train(&["tiny.yaml", "--out", "run", "--overwrite", "length=1 epochs"]).ok();
    assert_eq!(desk.read("run/notes.txt"), "mine");
    assert!(!desk.path("run/last/ema.safetensors").exists());
    let said = desk.train(&["tiny.yaml", "--out", "run"]);
    said.complains(2, &["run: holds an earlier run", "--resume", "--overwrite", "--out DIR"]);
    let events = desk.names("run").into_iter().filter(|name| name.starts_with("events.")).count();
    assert_eq!(events, 1);
}

#[test]
fn a_folder_in_use() {
    let desk = Desk::new();
    let said = desk.train(&["tiny.yaml", "--out", "run", "length=1 steps"]).ok();
    let line = said.err.lines().find(|line| line.contains("val loss") && line.contains("best")).unwrap();
    assert!(line.chars().count() <= 80, "{line}");
    assert!(!desk.path("run/.lock").exists());
    desk.write("run/.lock", "4711\n");
    let held = fs::File::options().write(true).open(desk.path("run/.lock")).unwrap();
    held.try_lock().unwrap();
    let before = desk.bytes("run");
    for mode in [&[][..], &["--overwrite"], &["--resume"]] {
        let said = desk.train(&[&["tiny.yaml", "length=1 steps", "--out", "run"], mode].concat());
        said.complains(2, &["run: is in use by process 4711", "--out DIR"]);
        assert_eq!(desk.bytes("run"), before);
    }
    // A process that was killed leaves the file and not the lock.
    drop(held);
    let train =
        |mode: &[&str]| desk.train(&[&["tiny.yaml", "length=1 steps", "--out", "run"], mode].concat());
    train(&["--dry-run", "--resume"]).complains(2, &["--dry-run", "--resume", "leave one of them out"]);
    let said = train(&["--resume"]).ok();
    assert!(said.err.contains("after 1 epoch, 1 step; its best macro_f1 is 0."), "{}", said.err);
    desk.write("new/.lock", "4711\n");
    desk.train(&["tiny.yaml", "--out", "new", "length=1 steps"]).ok();
    assert!(!desk.path("new/.lock").exists() && !desk.path("run/.lock").exists());
}

/// A dry run writes nothing, so that any folder will do; it says what the run itself would be refused.
#[test]
fn a_dry_run_works_in_any_folder() {
    let desk = Desk::new();
    let dry = |more: &[&str]| {
        let said = desk.train(&[&["tiny.yaml", "--dry-run", "length=1 steps", "--out"], more].concat()).ok();
        assert!(said.out.contains("dry run: everything fits"), "{}", said.out);
        said.err
    };
    assert!(!dry(&["absent/run"]).contains("would be refused"));
    assert_eq!(desk.names("."), ["tiny.yaml"]);
    // What cannot be made is not tried: below a file, in a folder in use.
    dry(&["tiny.yaml/run"]);
    assert!(dry(&["tiny.yaml"]).contains("would be refused: tiny.yaml: is a file"));
    desk.train(&["tiny.yaml", "length=1 steps", "--out", "run"]).ok();
    desk.write("run/.lock", "4711\n");
    let held = fs::File::options().write(true).open(desk.path("run/.lock")).unwrap();
    held.try_lock().unwrap();
    let before = desk.bytes("run");
    assert!(dry(&["run"]).contains("would be refused: run: holds an earlier run; go on with --resume"));
    assert!(!dry(&["run", "--overwrite"]).contains("would be refused"));
    assert_eq!(desk.bytes("run"), before);
    assert_eq!(desk.names("."), ["run", "tiny.yaml"]);
}

#[test]
fn a_folder_that_cannot_be_written() {
    let desk = Desk::new();
    // Tests may run as root, who may write anywhere but below a file.
    let said = desk.train(&["tiny.yaml", "--out", "tiny.yaml/run"]);
    said.complains(2, &["tiny.yaml/run: cannot be written", "--out DIR"]);
    let said = desk.tallow(&["preview", "tiny.yaml", "--out", "tiny.yaml/sheet.png"]);
    said.complains(2, &["--out tiny.yaml/sheet.png: cannot be written"]);
    let long = format!("{}.png", "p".repeat(300));
    let said = desk.tallow(&["preview", "tiny.yaml", "--out", &long]);
    said.complains(2, &[&format!("--out {long}: cannot be written"), "name another file"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::create_dir(desk.path("ro")).unwrap();
        fs::set_permissions(desk.path("ro"), fs::Permissions::from_mode(0o555)).unwrap();
        if fs::File::create(desk.path("ro/probe")).is_err() {
            let said = desk.tallow(&["preview", "tiny.yaml", "--out", "ro/x.png"]);
            said.complains(2, &["--out ro/x.png: cannot be written", "a folder that you may write to"]);
        }
        fs::set_permissions(desk.path("ro"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_dir_all(desk.path("ro")).unwrap();
    }
    nothing_left(&desk, &[]);
}

#[test]
fn a_preview_that_cannot_be_drawn() {
    let desk = Desk::new();
    desk.write("mine.yaml", "branches:\n  - policies: [ { mixup: { alpha: 1 } } ]\n");
    fs::create_dir(desk.path("there")).unwrap();
    let preview = |arguments: &[&str]| desk.tallow(&[&["preview"], arguments].concat());
    preview(&["tiny.yaml", "--out", "there"])
        .complains(2, &["--out there: is a folder", "--out there/preview.png"]);
    preview(&["tiny.yaml", "--out", "a.jpg"])
        .complains(2, &["--out a.jpg: pictures are written as PNG", "a.png"]);
    preview(&["tiny.yaml", "--tiles", "0"]).complains(2, &["'0'", "--tiles"]);
    for command in ["preview", "train"] {
        let said = desk.tallow(&[command, "mine.yaml"]);
        said.complains(2, &["mine.yaml: is a preset, not a recipe", "policy=mine"]);
    }
    nothing_left(&desk, &["mine.yaml", "there"]);
    preview(&["tiny.yaml", "--tiles", "2", "--out", "new/folder/a.PNG"]).ok();
    image::open(desk.path("new/folder/a.PNG")).unwrap();
}

#[test]
fn a_device_that_is_not_there() {
    let desk = Desk::new();
    if !cfg!(feature = "cuda") {
        let said = desk.train(&["tiny.yaml", "device=cuda:0"]);
        said.complains(2, &["override `device=cuda:0`", "--features cuda", "compute on cpu"]);
    }
    desk.tallow(&["check", "tiny.yaml", "device=cuda:99"]).complains(2, &["cuda:99", "compute on cpu"]);
    desk.train(&["tiny.yaml", "device=cuda:99"]).complains(2, &["cuda:99", "compute on cpu"]);
    nothing_left(&desk, &[]);
}

#[test]
fn several_processes_without_mpi() {
    let desk = Desk::new();
    if !cfg!(feature = "mpi") {
        let running = desk.program(Program::Train).args(&["tiny.yaml"]);
        let said = running.env("OMPI_COMM_WORLD_RANK", "1").env("OMPI_COMM_WORLD_SIZE", "2").say();
        said.complains(2, &["Open MPI started 2 processes", "cargo build --features mpi"]);
    }
    desk.tallow(&["check", "tiny.yaml", "shards=0"]).complains(2, &["shards", "1 or more"]);
    nothing_left(&desk, &[]);
}

#[test]
fn a_stem_that_the_model_lacks() {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "model.stem=imagenet"])
        .complains(2, &["override `model.stem=imagenet`", "resnet20 has one stem", "leave `stem` out"]);
    nothing_left(&desk, &[]);
}

/// What lies beyond the end shows at the latest when the steps of an epoch are known.
#[test]
fn a_schedule_longer_than_its_run() {
    let desk = Desk::new();
    for (schedule, words) in [
        ("{ cosine: { lr: 0.1, warmup: 9 steps } }", "schedule.cosine.warmup: is longer than the run"),
        ("{ multistep: { lr: 0.1, at: [ 0.5, 128 images ] } }", "schedule.multistep.at[1]: is never reached"),
        ("{ multistep: { lr: 0.1, at: [ 5 steps, 1 epochs ] } }", "schedule.multistep.at[1]: is not after"),
    ] {
        let schedule = format!("schedule={schedule}");
        for mode in [&["--dry-run"][..], &[]] {
            let said = desk.train(&[&["tiny.yaml", &schedule, "--out", "run"], mode].concat());
            said.complains(2, &[&format!("override `{schedule}`: {words}")]);
        }
    }
    nothing_left(&desk, &[]);
    // Eight steps: a warm-up of all of them is one.
    desk.train(&["tiny.yaml", "schedule={ cosine: { lr: 0.1, warmup: 2 epochs } }", "--dry-run"]).ok();
}

#[test]
fn a_loss_that_is_not_finite() {
    let desk = Desk::new();
    // The first epoch is good, the second is not.
    let milestone = "schedule={ multistep: { lr: 0.01, at: [ 1 epochs ], factor: 1e38 } }";
    let said = desk.train(&["tiny.yaml", milestone, "--out", "run"]);
    said.complains(4, &["the loss of step ", "the losses before it: ", "lower schedule.multistep.lr"]);
    assert_eq!(desk.json("run/last/state.json")["epoch"], 1);
    desk.tallow(&["eval", "run/last"]).ok();
    desk.tallow(&["eval", "run/best"]).ok();
    // From the first step on: nothing was good.
    let said = desk.train(&["tiny.yaml", "schedule={ constant: { lr: 1e30 } }", "--out", "none"]);
    said.complains(4, &["the loss of step 2 is", "lower schedule.constant.lr"]);
    assert!(!desk.path("none/last").exists() && !desk.path("none/best").exists());
}

/// Weights that broke in the last step of an epoch show in its evaluation, and are not kept.
#[test]
fn weights_that_are_not_finite() {
    let desk = Desk::new();
    let said =
        desk.train(&["tiny.yaml", "schedule={ constant: { lr: 1e38 } }", "length=1 steps", "--out", "run"]);
    said.complains(4, &["lower schedule.constant.lr"]);
    assert!(!desk.path("run/last").exists() && !desk.path("run/best").exists());
}

#[test]
fn a_signal_leaves_a_checkpoint_that_resumes() {
    let desk = Desk::new();
    let arguments = ["tiny.yaml", "data.images=480", "data.batch=8", "length=2 epochs", "--out", "run"];
    let log = desk.path("run/metrics.jsonl");
    for (signal, code, lines) in [("INT", 130, 4), ("TERM", 143, 20)] {
        let resume: &[&str] = if code == 130 { &[] } else { &["--resume"] };
        let program = desk.program(Program::Train).args(&[&arguments[..], resume].concat());
        let said = program.until(&log, lines, signal);
        said.complains(code, &["stopped by signal", "of 120", "go on with --resume"]);
        assert_eq!(said.out, "", "no result was reached");
        assert!(desk.json("run/last/state.json")["step"].as_u64().unwrap() >= lines as u64 - 1);
        desk.tallow(&["eval", "run/last"]).ok();
    }
    let said = desk.train(&[&arguments[..], &["--resume", "--json"]].concat()).ok();
    assert_eq!(said.json()["steps"], 120);
}
