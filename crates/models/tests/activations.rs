//! What a network is said to hold for its gradients is what a pass leaves allocated.

use candle_core::{DType, Device, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};
use tallow_models::{Mode, ModelOptions, Params, find};

/// The system's allocator, and the bytes that are out.
struct Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call is the system's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test alone: whatever runs beside it would be counted too.
#[test]
fn what_is_kept_is_what_a_pass_leaves() {
    const ROWS: usize = 8;
    let networks = [
        ("resnet20", 32),
        ("resnet18", 64),
        ("resnet50", 64),
        ("wrn_16_4", 32),
        ("vgg11_bn", 64),
        ("densenet121", 64),
        ("mobilenet_v2", 64),
        ("mobilenet_v3_small", 64),
        ("efficientnet_b0", 64),
        ("convnext_tiny", 64),
        ("swin_t", 64),
        ("vit_tiny_patch16_224", 64),
    ];
    for (name, side) in networks {
        let mut params = Params::blank(DType::F32, &Device::Cpu);
        let options = ModelOptions { input: Some(side), ..ModelOptions::new(10) };
        let network = (find(name).unwrap().build)(&mut params, &options).unwrap();
        let said = network.activations(&params, [3, side, side]).unwrap();
        let kept: u64 = said.iter().map(|stage| stage.kept).sum();
        let pass = || {
            let values = Tensor::zeros((ROWS, 3, side, side), DType::F32, &Device::Cpu).unwrap();
            network.forward(&values, &Mode::Probe).unwrap()
        };
        // Threads make their scratch memory in the first one.
        drop(pass());
        let before = LIVE.load(Ordering::Relaxed);
        let logits = pass();
        let live = (LIVE.load(Ordering::Relaxed) - before) as f64 / ROWS as f64;
        drop(logits);
        let ratio = kept as f64 / live;
        assert!((0.9..1.1).contains(&ratio), "{name}: {kept} bytes a row, {live} are left");
        // Where nothing is trained before the head, only what the head reads.
        let stages: Vec<&str> =
            said.iter().map(|stage| &*stage.name).filter(|name| *name != "head").collect();
        network.freeze(&params, &stages).unwrap();
        let frozen = network.activations(&params, [3, side, side]).unwrap();
        let (head, rest) = frozen.split_last().unwrap();
        assert!(rest.iter().all(|stage| stage.kept == 0 && stage.gradients == 0), "{name}: {frozen:?}");
        assert!(head.gradients > 0 && head.kept < kept / 10, "{name}: {head:?}");
    }
}
