//! Sources become kernels of a device: compiled by NVRTC at first use, kept with the device and on disk.

use super::cache::{Cache, Key};
use crate::gpu::launch::Storage;
use crate::gpu::source::Source;
use crate::gpu::target::Target;
use candle_core::cuda_backend::cudarc::driver::CudaFunction;
use candle_core::cuda_backend::cudarc::nvrtc::{self, CompileError, CompileOptions, sys};
use candle_core::cuda_backend::{DeviceId, WrapErr};
use candle_core::{CudaDevice, Error, Result};
use std::collections::HashMap;
use std::ffi::c_int;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What the driver loads, by source, type and architecture. The device keeps what it has loaded.
type Programs = HashMap<(&'static str, Storage, c_int), Arc<str>>;
static PROGRAMS: LazyLock<Mutex<Programs>> = LazyLock::new(Mutex::default);

/// What the driver has found of them: of a device, a source, a type and a kernel.
type Functions = HashMap<(DeviceId, &'static str, Storage, &'static str), CudaFunction>;
static FUNCTIONS: LazyLock<Mutex<Functions>> = LazyLock::new(Mutex::default);

/// A kernel of a source, ready to be launched on the device's stream.
///
/// # Errors
/// Fails where the source cannot be compiled for the device, or the driver does not take what the compiler made.
pub fn function(
    device: &CudaDevice,
    source: &'static Source,
    kernel: &'static str,
    storage: Storage,
) -> Result<CudaFunction> {
    let of = (device.id(), source.name, storage, kernel);
    let functions = || FUNCTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = functions().get(&of) {
        return Ok(known.clone());
    }
    let function = load(device, source, kernel, storage)?;
    functions().insert(of, function.clone());
    Ok(function)
}

/// The same from the driver.
fn load(
    device: &CudaDevice,
    source: &'static Source,
    kernel: &str,
    storage: Storage,
) -> Result<CudaFunction> {
    let (major, minor) = device.cuda_stream().context().compute_capability().w()?;
    let of = 10 * major + minor;
    let name = format!("{kernel}_{}", storage.name());
    let module = format!("tallow_{}_{}", source.name, storage.name());
    let load =
        |program: &str| Ok(device.get_or_load_custom_func(&name, &module, program)?.into_cuda_function());
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = programs.get(&(source.name, storage, of)) {
        return load(program);
    }
    let (key, options) = key(source, storage, of)?;
    let cache = Cache::of_user();
    let mut program = cache.get(&key);
    let known = program.as_deref().map(load);
    // One that the driver does not take, of another driver perhaps, is compiled anew.
    let function = match known {
        Some(Ok(function)) => function,
        _ => {
            let made = compile(source, &key, options)?;
            cache.put(&key, &made);
            let function = load(&made);
            program = Some(made);
            function.map_err(|error| {
                error.context(
                    "the driver does not load what NVRTC made – expected a driver at least as new as the CUDA toolkit",
                )
            })?
        }
    };
    programs.insert((source.name, storage, of), program.expect("found or made").into());
    Ok(function)
}

/// All that the compiled text depends on.
fn key(source: &Source, storage: Storage, of: c_int) -> Result<(Key, CompileOptions)> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both point to a number.
    answered(unsafe { sys::nvrtcVersion(&mut major, &mut minor) })?;
    let architecture = format!("--gpu-architecture=compute_{}", architecture(of)?);
    let options = vec![architecture, "--std=c++17".to_owned()];
    let text = source.text(Target::Cuda, storage)?;
    let key = Key {
        name: format!("{}_{}", source.name, storage.name()),
        text,
        options: options.clone(),
        nvrtc: (major, minor),
    };
    let name = Some(format!("{}.cu", source.name));
    Ok((key, CompileOptions { options, name, ..CompileOptions::default() }))
}

/// The newest that the compiler knows and the device of compute capability `of` runs.
fn architecture(of: c_int) -> Result<c_int> {
    let mut count = 0;
    // SAFETY: it points to a number.
    answered(unsafe { sys::nvrtcGetNumSupportedArchs(&mut count) })?;
    let mut known = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: there is room for as many as there are.
    answered(unsafe { sys::nvrtcGetSupportedArchs(known.as_mut_ptr()) })?;
    match known.into_iter().filter(|known| *known <= of).max() {
        Some(newest) => Ok(newest),
        None => Err(Error::Msg(format!(
            "NVRTC compiles for no device as old as compute capability {}.{} – install an older CUDA toolkit, or set \
             TALLOW_FALLBACK=1",
            of / 10,
            of % 10
        ))),
    }
}

fn answered(status: sys::nvrtcResult) -> Result<()> {
    status.result().map_err(|error| {
        Error::Msg(format!(
            "NVRTC, CUDA's compiler, answers {:?} – expected libnvrtc – install it (pip install nvidia-cuda-nvrtc), or set \
             TALLOW_FALLBACK=1 to do without kernels of our own",
            error.0
        ))
    })
}

fn compile(source: &Source, key: &Key, options: CompileOptions) -> Result<String> {
    match nvrtc::compile_ptx_with_opts(&key.text, options) {
        Ok(program) => Ok(program.to_src()),
        Err(CompileError::CompileError { log, .. }) => Err(Error::Msg(format!(
            "NVRTC does not take {}.cu: {}",
            source.name,
            log.to_string_lossy().trim()
        ))),
        Err(error) => Err(Error::Msg(format!("NVRTC fails on {}.cu: {error}", source.name))),
    }
}
