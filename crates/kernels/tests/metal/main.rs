//! Ops on a Mac's GPU, by kernels of our own, against the CPU's: the cases of `tests/cuda`. Only `TALLOW_TEST_DEVICE=metal` runs
//! anything.

#[path = "../cuda/bench.rs"]
mod bench;
#[path = "../cuda/blocks.rs"]
mod blocks;
#[path = "../cuda/layers.rs"]
mod layers;
#[path = "../cuda/ops.rs"]
mod ops;
#[path = "../cuda/steps.rs"]
mod steps;

use candle_core::{Device, Result};

/// A GPU keeps no log of what it ran.
mod stand_in {
    pub fn new_lines() -> Option<Vec<String>> {
        None
    }
}

fn device() -> Result<Device> {
    Device::new_metal(0)
}

fn on_a_mac(case: fn() -> Result<()>) -> Result<()> {
    if std::env::var("TALLOW_TEST_DEVICE").is_ok_and(|device| device == "metal") {
        return case();
    }
    eprintln!("no TALLOW_TEST_DEVICE=metal: kernels are not run on Metal");
    Ok(())
}

#[test]
fn ops_give_what_the_cpu_gives() -> Result<()> {
    on_a_mac(ops::all)
}

#[test]
fn layers_give_what_the_cpu_gives() -> Result<()> {
    on_a_mac(layers::all)
}

#[test]
fn blocks_give_what_the_cpu_gives() -> Result<()> {
    on_a_mac(blocks::all)
}

#[test]
fn steps_give_what_the_cpu_gives() -> Result<()> {
    on_a_mac(steps::step)
}

#[test]
fn convolutions_are_products_with_columns() -> Result<()> {
    on_a_mac(layers::columns)
}

#[test]
fn what_is_on_the_device_is_uploaded_once() -> Result<()> {
    on_a_mac(steps::batches)?;
    on_a_mac(steps::orders)
}
