//! Ops on a CUDA device, by kernels of our own, against the CPU's: on a stand-in for a GPU, which runs them on the host, or on the
//! GPU that `TALLOW_TEST_DEVICE=cuda:0` names. Each test is a program of its own. Where there is neither a C++ compiler for the stand-in
//! nor a GPU named, nothing is checked, which is said.

mod bench;
mod blocks;
mod early;
mod layers;
mod ops;
#[allow(dead_code)] // of what trainings' tests share, a part
mod place;
mod stand_in;
mod steps;

use candle_core::{Device, Result};
use place::Place;
use stand_in::Run;
use std::path::{Path, PathBuf};

/// What a program does, by name.
type Case = (&'static str, fn() -> Result<()>);

const CASES: [Case; 8] = [
    ("ops", ops::all),
    ("blocks", blocks::all),
    ("layers", layers::all),
    ("columns", layers::columns),
    ("step", steps::step),
    ("batches", steps::batches),
    ("orders", steps::orders),
    ("early", early::kernel_before_its_upload),
];

fn place() -> Option<&'static Place> {
    Place::find(Path::new(env!("CARGO_MANIFEST_DIR")))
}

/// The device of a program, as trainings open it.
fn device() -> Result<Device> {
    tallow_kernels::gpu::cuda::open(0)
}

/// One case, in a program that another test started.
#[test]
#[ignore = "started by the others"]
fn case() -> Result<()> {
    let name = std::env::var(stand_in::CASE).expect("started by another test");
    CASES.iter().find(|(known, _)| *known == name).expect("a case").1()
}

#[test]
fn ops_give_what_the_cpu_gives() {
    let Some(place) = place() else { return };
    for case in ["ops", "layers", "blocks"] {
        place.run(&Run::of(case)).passes();
    }
}

#[test]
fn convolutions_that_cudnn_does_not_take_are_products_with_columns() {
    let Some(place) = place().filter(|place| place.is_stand_in()) else { return };
    let mut run = Run::of("columns");
    run.refused = true;
    place.run(&run).passes();
}

#[test]
fn what_is_on_the_device_is_uploaded_once() {
    let Some(place) = place() else { return };
    for case in ["batches", "orders"] {
        place.run(&Run::of(case)).passes();
    }
}

/// All memory is given back, but for what lives as long as the program: the number that stands for all variables, and what shapes alone
/// decide.
#[test]
fn a_step_launches_copies_and_reads_what_the_table_says() {
    let Some(place) = place() else { return };
    let done = place.run(&Run::of("step"));
    done.passes();
    if let Some(log) = done.log() {
        // That number, 6 pieces of a list of 6, the weights of 4 classes, the values of 256 bytes in 3 channels, where 5 images begin.
        let bytes = 4 + 6 * 3 * 4 + 4 * 4 + 768 * 4 + 5 * 3 * 4;
        let left = format!("left 5 allocations {bytes} bytes");
        assert_eq!(log.lines().last(), Some(left.as_str()));
    }
}

#[test]
fn a_kernel_before_its_upload_is_refused() {
    let Some(place) = place().filter(|place| place.is_stand_in()) else { return };
    let done = place.run(&Run::of("early"));
    done.fails("softmax_forward_f32: reads x, byte 0 of 24, which nobody wrote");
}

/// A second program compiles nothing; what is damaged or gone is compiled anew.
#[test]
fn kernels_are_compiled_once_and_damaged_ones_anew() {
    let Some(place) = place().filter(|place| place.is_stand_in()) else { return };
    let mut run = Run::of("step");
    run.cache = tempfile("cache");
    let compiled = |run: &Run| {
        let done = place.run(run);
        done.passes();
        done.log().expect("a stand-in").lines().filter(|line| line.starts_with("compile ")).count()
    };
    let all = compiled(&run);
    assert!(all > 3, "{all}");
    assert_eq!(compiled(&run), 0);
    let kept = std::fs::read_dir(run.cache.join("kernels")).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), all, "{kept:?}");
    let text = std::fs::read(&kept[0]).unwrap();
    std::fs::write(&kept[0], &text[..text.len() / 2]).unwrap();
    std::fs::remove_file(&kept[1]).unwrap();
    assert_eq!(compiled(&run), 2);
    assert_eq!(compiled(&run), 0);
}

fn tempfile(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cuda_{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}
