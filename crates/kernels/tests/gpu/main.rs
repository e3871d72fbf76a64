//! Kernels for GPUs, run by an emulation on the host. No GPU and no CUDA is needed: a C++ compiler is, and without one nothing is
//! checked, which is said. Where `TALLOW_NVRTC` names libnvrtc.so, CUDA's compiler reads every kernel as well.

mod bench;
mod cases;
mod copies;
mod emulation;
mod layers;
mod metal;
mod mistakes;
#[cfg(unix)]
mod nvrtc;
mod tokens;

use bench::Bench;
use candle_core::Result;
use cases::CASES;
use emulation::Emulation;
use std::collections::BTreeSet;
use tallow_kernels::gpu::Storage;
use tallow_kernels::launches::SOURCES;

/// All cases, in every type and in two orders of threads: the CPU's numbers, and the same bits in both orders.
#[test]
fn kernels_give_what_the_cpu_gives() -> Result<()> {
    let Some(program) = emulation::all() else { return Ok(()) };
    let (mut ran, mut wrong) = (BTreeSet::new(), Vec::new());
    for storage in Storage::ALL {
        for (source, case) in CASES {
            let digests = [1, 2].map(|seed| {
                let device = Emulation::new(program, "", seed);
                let bench = Bench { device: &device, storage };
                wrong.extend(case(&bench).err().map(|error| format!("{source} in {storage:?}: {error}")));
                ran.append(&mut device.ran.borrow_mut());
                device.digest.get()
            });
            assert_eq!(digests[0], digests[1], "{source} in {storage:?}: the order of threads moves bits");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for source in SOURCES {
        for kernel in source.signatures()? {
            // Those that read and write no `T` are the same in all types.
            for storage in if kernel.is_typed() { &Storage::ALL[..] } else { &[Storage::F32] } {
                let name = format!("{}_{}", kernel.name, storage.name());
                assert!(ran.contains(&name), "no case runs {name}");
            }
        }
    }
    Ok(())
}

/// Every op has its row in docs/gpu.md, one.
#[test]
fn the_page_says_of_every_op_what_it_has() {
    let page = include_str!("../../../../docs/gpu.md");
    let table: String = page.lines().filter(|line| line.starts_with("| `")).collect();
    let exports =
        include_str!("../../src/ops/mod.rs").lines().filter_map(|line| line.strip_prefix("pub use "));
    let names = exports.flat_map(|path| path.split("::").nth(1).unwrap().split(['{', '}', ',', ';', ' ']));
    // Types begin with a capital; `windows` is what a recorded op means.
    let is_op = |name: &&str| name.starts_with(|c: char| c.is_lowercase()) && *name != "windows";
    let ops: Vec<&str> = names.filter(is_op).collect();
    assert!(ops.len() > 40, "{ops:?}");
    for op in ops {
        let rows = table.matches(&format!("`{op}`")).count();
        assert!(rows == 1 || op == "conv2d" && rows == 2, "{op}: {rows} rows in docs/gpu.md");
    }
}
