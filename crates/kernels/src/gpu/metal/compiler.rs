//! Sources become pipelines of a GPU: compiled by Metal at first use, kept as long as the program runs. Metal keeps what it compiled on
//! disk by itself.

use crate::gpu::launch::Storage;
use crate::gpu::source::Source;
use crate::gpu::target::Target;
use candle_core::{Error, MetalDevice, Result, bail};
use candle_metal_kernels::MetalKernelError;
use candle_metal_kernels::metal::{ComputePipeline, Library};
use objc2::available;
use objc2::rc::Retained;
use objc2_metal::{MTLCompileOptions, MTLMathFloatingPointFunctions, MTLMathMode};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{LazyLock, Mutex, PoisonError};

/// By GPU, source and type.
type Libraries = HashMap<(u64, &'static str, Storage), Library>;

#[derive(Default)]
struct Compiled {
    libraries: Libraries,
    /// By GPU, source, and the name of the kernel with its type.
    pipelines: HashMap<(u64, &'static str, String), ComputePipeline>,
}

static COMPILED: LazyLock<Mutex<Compiled>> = LazyLock::new(Mutex::default);

/// A kernel of a source, ready to be run.
///
/// # Errors
/// Fails where Metal does not take the source, or the GPU does not run groups of so many threads.
pub fn pipeline(
    device: &MetalDevice,
    source: &'static Source,
    kernel: &str,
    storage: Storage,
) -> Result<ComputePipeline> {
    let (gpu, device) = (device.registry_id(), device.metal_device());
    let name = format!("{kernel}_{}", storage.name());
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let Compiled { libraries, pipelines } = &mut *compiled;
    let key = (gpu, source.name, name);
    if let Some(pipeline) = pipelines.get(&key) {
        return Ok(pipeline.clone());
    }
    let library = match libraries.entry((gpu, source.name, storage)) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let text = source.text(Target::Metal, storage)?;
            let library = device.new_library_with_source(&text, Some(&options()));
            place.insert(library.map_err(|error| refused("does not take", source, error))?)
        }
    };
    let function = library.get_function(&key.2, None);
    let pipeline = function.and_then(|function| device.new_compute_pipeline_state_with_function(&function));
    let pipeline = pipeline.map_err(|error| refused("makes no pipeline of", source, error))?;
    let most = pipeline.max_total_threads_per_threadgroup();
    if most < source.threads as usize {
        bail!(
            "a group: expected {} threads, this GPU runs {most} – set TALLOW_FALLBACK=1 to do without kernels of our own",
            source.threads
        );
    }
    pipelines.insert(key, pipeline.clone());
    Ok(pipeline)
}

/// NaN and infinity mean something to kernels: without its fast mathematics, which candle's own are compiled with.
fn options() -> Retained<MTLCompileOptions> {
    let options = MTLCompileOptions::new();
    if available!(macos = 15, ios = 18) {
        options.setMathMode(MTLMathMode::Safe);
        options.setMathFloatingPointFunctions(MTLMathFloatingPointFunctions::Precise);
    } else {
        // What there was before.
        #[allow(deprecated)]
        options.setFastMathEnabled(false);
    }
    options
}

/// The compiler's words name lines of the text, which `docs/gpu.md` says how to get.
fn refused(what: &str, source: &Source, error: MetalKernelError) -> Error {
    let words = match error {
        MetalKernelError::LoadLibraryError(words) | MetalKernelError::FailedToCreatePipeline(words) => words,
        MetalKernelError::LoadFunctionError(name) => format!("no function {name}"),
        other => other.to_string(),
    };
    Error::Msg(format!(
        "Metal {what} {}.metal – set TALLOW_FALLBACK=1 to do without kernels of our own: {}",
        source.name,
        words.trim()
    ))
}
