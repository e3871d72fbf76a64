//! Convolutions by cuDNN's graph API: forward, input gradient, weight gradient, grouped, plain or with channels last.
//!
//! A plan is what the library makes of one convolution on one device. It is looked for among the engines that its heuristic
//! names (mode A, then the fallback), the first that may be taken and can be built: engines that are not deterministic are left out, and
//! where f32 is to be f32, those that round it for tensor cores. Plans are kept by everything that they depend on.

mod descriptor;

use super::convolution::{Convolution, Pass};
use super::launch::Storage;
use candle_core::cuda_backend::cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendHeurMode_t as Mode,
    cudnnBackendNumericalNote_t as Note, cudnnConvolutionMode_t, cudnnDataType_t,
};
use candle_core::{Result, bail};
use descriptor::{Descriptor, Kind, Type, check, is_refusal};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The library on one device, and its plans.
pub struct Cudnn(Mutex<Inner>);

/// Of a handle that one thread uses at a time.
struct Inner {
    handle: sys::cudnnHandle_t,
    /// Those that were made; none of a convolution that no engine computes.
    plans: HashMap<Convolution, Option<Arc<Plan>>>,
}

// SAFETY: the handle is bound to a device and a stream, to no thread.
unsafe impl Send for Inner {}

/// How the library computes one convolution.
pub struct Plan {
    plan: Descriptor,
    /// Bytes of device memory that it needs beside its operands.
    pub workspace: usize,
    /// What it was made of, which it refers to.
    _parts: Vec<Descriptor>,
}

impl Cudnn {
    /// On the current device, its work ordered with that of `stream`.
    ///
    /// # Errors
    /// Fails where the library cannot be loaded, or does not fit the driver.
    pub fn new(stream: sys::cudaStream_t) -> Result<Cudnn> {
        let mut handle = null_mut();
        // SAFETY: the place is valid.
        check("a handle", unsafe { sys::cudnnCreate(&raw mut handle) })?;
        let inner = Inner { handle, plans: HashMap::new() };
        // SAFETY: the handle was made above.
        check("a stream", unsafe { sys::cudnnSetStream(handle, stream) })?;
        Ok(Cudnn(Mutex::new(inner)))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The plan of a convolution, made at its first use; None where no engine of the library computes it as asked, which is found out
    /// once.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn plan(&self, convolution: Convolution) -> Result<Option<Arc<Plan>>> {
        let mut inner = self.inner();
        if let Some(known) = inner.plans.get(&convolution) {
            return Ok(known.clone());
        }
        let plan = Plan::new(inner.handle, &convolution)?.map(Arc::new);
        inner.plans.insert(convolution, plan.clone());
        Ok(plan)
    }

    /// How many plans were made.
    pub fn plans(&self) -> usize {
        self.inner().plans.values().flatten().count()
    }

    /// Computes a convolution: device addresses of x, w and y, of which the pass writes one, and of the workspace.
    ///
    /// # Errors
    /// Fails on an operand that does not begin at a multiple of 16 bytes, and where the library does.
    ///
    /// # Safety
    /// The addresses are of memory of this device, as large as the sizes that the plan was made of and its workspace say, and
    /// stay valid until the stream has done this.
    pub unsafe fn run(&self, plan: &Plan, [x, w, y]: [u64; 3], workspace: u64) -> Result<()> {
        if let Some(address) = [x, w, y].into_iter().find(|address| !address.is_multiple_of(ALIGNMENT)) {
            bail!("cuDNN: expected operands at multiples of {ALIGNMENT} bytes, got {address:#x} – copy it");
        }
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?;
        pack.set(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, Type::CUDNN_TYPE_INT64, &[X, W, Y])?;
        let pointers = [x, w, y].map(|address| address as *mut c_void);
        pack.set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, Type::CUDNN_TYPE_VOID_PTR, &pointers)?;
        let workspace = [workspace as *mut c_void];
        pack.set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, Type::CUDNN_TYPE_VOID_PTR, &workspace)?;
        let pack = pack.finish("the operands of a plan")?;
        // SAFETY: by contract.
        unsafe { plan.plan.execute(self.inner().handle, &pack) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: its only owner.
        unsafe { sys::cudnnDestroy(self.handle) };
    }
}

/// Names of the operands within a graph.
const X: i64 = 1;
const W: i64 = 2;
const Y: i64 = 3;

impl Plan {
    /// None where no engine that may be taken does this.
    fn new(handle: sys::cudnnHandle_t, convolution: &Convolution) -> Result<Option<Plan>> {
        let [x, w, y] = [(X, convolution.x), (W, convolution.w), (Y, convolution.y)]
            .map(|(id, sizes)| tensor(id, sizes, convolution));
        let mut parts = vec![x?, w?, y?, arithmetic(convolution)?];
        parts.push(operation(convolution.pass, &parts)?);
        let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?;
        graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle])?;
        graph.refer(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &[&parts[4]])?;
        let graph = graph.finish("the graph of a convolution")?;
        let mut last = None;
        for mode in [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK] {
            let engines = engines(&graph, mode).unwrap_or_else(|error| {
                last = Some(error);
                Vec::new()
            });
            for engine in engines {
                // The heuristic also names engines that this device has not.
                match taken(handle, &engine, convolution) {
                    Ok(Some((plan, workspace))) => {
                        parts.extend([graph, engine]);
                        return Ok(Some(Plan { plan, workspace, _parts: parts }));
                    }
                    Ok(None) => {}
                    Err(error) => last = Some(error),
                }
            }
        }
        match last {
            Some(error) if !is_refusal(&error) => {
                bail!(
                    "cuDNN has no engine for {convolution:?}: {error} – set TALLOW_FALLBACK=1 to do without"
                )
            }
            _ => Ok(None),
        }
    }
}

fn data_type(storage: Storage) -> cudnnDataType_t {
    match storage {
        Storage::F32 => cudnnDataType_t::CUDNN_DATA_FLOAT,
        Storage::Bf16 => cudnnDataType_t::CUDNN_DATA_BFLOAT16,
    }
}

/// Bytes that engines may count on: operands begin at multiples of them.
pub const ALIGNMENT: u64 = 16;

fn tensor(id: i64, sizes: [usize; 4], convolution: &Convolution) -> Result<Descriptor> {
    let [n, c, h, w] = sizes.map(|size| size as i64);
    let strides = if convolution.channels_last { [h * w * c, 1, w * c, c] } else { [c * h * w, h * w, w, 1] };
    let tensor = Descriptor::new(Kind::CUDNN_BACKEND_TENSOR_DESCRIPTOR)?;
    let of = data_type(convolution.storage);
    tensor.set(Name::CUDNN_ATTR_TENSOR_DATA_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &[of])?;
    tensor.set(Name::CUDNN_ATTR_TENSOR_DIMENSIONS, Type::CUDNN_TYPE_INT64, &[n, c, h, w])?;
    tensor.set(Name::CUDNN_ATTR_TENSOR_STRIDES, Type::CUDNN_TYPE_INT64, &strides)?;
    tensor.set(Name::CUDNN_ATTR_TENSOR_UNIQUE_ID, Type::CUDNN_TYPE_INT64, &[id])?;
    tensor.set(Name::CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, Type::CUDNN_TYPE_INT64, &[ALIGNMENT as i64])?;
    tensor.finish(&format!("a tensor {sizes:?}"))
}

/// Strides, paddings, dilations, and sums in f32.
fn arithmetic(convolution: &Convolution) -> Result<Descriptor> {
    let kind = Descriptor::new(Kind::CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR)?;
    let [stride, padding, dilation] =
        [convolution.stride, convolution.padding, convolution.dilation].map(|n| [n as i64; 2]);
    let sums = [cudnnDataType_t::CUDNN_DATA_FLOAT];
    kind.set(Name::CUDNN_ATTR_CONVOLUTION_COMP_TYPE, Type::CUDNN_TYPE_DATA_TYPE, &sums)?;
    let mode = [cudnnConvolutionMode_t::CUDNN_CROSS_CORRELATION];
    kind.set(Name::CUDNN_ATTR_CONVOLUTION_CONV_MODE, Type::CUDNN_TYPE_CONVOLUTION_MODE, &mode)?;
    for (name, values) in [
        (Name::CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, &[2][..]),
        (Name::CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, &stride),
        (Name::CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, &padding),
        (Name::CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, &padding),
        (Name::CUDNN_ATTR_CONVOLUTION_DILATIONS, &dilation),
    ] {
        kind.set(name, Type::CUDNN_TYPE_INT64, values)?;
    }
    kind.finish("a convolution")
}

/// `parts` are x, w, y and the arithmetic.
fn operation(pass: Pass, parts: &[Descriptor]) -> Result<Descriptor> {
    use Name as N;
    let (kind, [of, x, w, y, alpha, beta]) = match pass {
        Pass::Forward => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            [
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
            ],
        ),
        Pass::Input => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            [
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
            ],
        ),
        Pass::Weight => (
            Kind::CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
            [
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                N::CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
            ],
        ),
    };
    let operation = Descriptor::new(kind)?;
    for (name, part) in [x, w, y, of].into_iter().zip(parts) {
        operation.refer(name, &[part])?;
    }
    operation.set(alpha, Type::CUDNN_TYPE_FLOAT, &[1f32])?;
    operation.set(beta, Type::CUDNN_TYPE_FLOAT, &[0f32])?;
    operation.finish("a convolution of these tensors")
}

/// Configurations of engines, the most promising first.
fn engines(graph: &Descriptor, mode: Mode) -> Result<Vec<Descriptor>> {
    let heuristic = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?;
    heuristic.refer(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[graph])?;
    heuristic.set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, Type::CUDNN_TYPE_HEUR_MODE, &[mode])?;
    let heuristic = heuristic.finish("a heuristic")?;
    let (name, of) = (Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR);
    let count = heuristic.count(name, of)?;
    heuristic.referred(name, Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, count)
}

/// More kinds of notes than any version has.
const NOTES: usize = 64;

/// Whether an engine's arithmetic is what is asked for.
fn may_be_taken(configuration: &Descriptor, convolution: &Convolution) -> Result<bool> {
    let engine = Name::CUDNN_ATTR_ENGINECFG_ENGINE;
    let engines = configuration.referred(engine, Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1)?;
    let Some(engine) = engines.first() else { return Ok(false) };
    // Numbers, since a newer library has notes that this build does not know.
    let mut notes = [u32::MAX; NOTES];
    let (name, of) = (Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, Type::CUDNN_TYPE_NUMERICAL_NOTE);
    let count = engine.read(name, of, &mut notes)?;
    let has = |note: Note| notes[..count].contains(&(note as u32));
    let rounds = convolution.storage == Storage::F32
        && (has(Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)
            || !convolution.tf32 && has(Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE));
    Ok(!rounds && !has(Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC))
}

/// Bytes that an engine may want beside its operands: those that trade memory for little are left out.
const WORKSPACE: usize = 1 << 30;

/// The plan of a configuration whose engine may be taken, and the bytes that it needs.
fn taken(
    handle: sys::cudnnHandle_t,
    configuration: &Descriptor,
    convolution: &Convolution,
) -> Result<Option<(Descriptor, usize)>> {
    if !may_be_taken(configuration, convolution)? {
        return Ok(None);
    }
    Ok(Some(built(handle, configuration)?).filter(|(_, bytes)| *bytes <= WORKSPACE))
}

/// The plan of a configuration, and the bytes that it needs.
fn built(handle: sys::cudnnHandle_t, configuration: &Descriptor) -> Result<(Descriptor, usize)> {
    let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR)?;
    plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, Type::CUDNN_TYPE_HANDLE, &[handle])?;
    plan.refer(Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, &[configuration])?;
    let plan = plan.finish("a plan")?;
    let mut bytes = [0i64];
    let name = Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE;
    plan.read(name, Type::CUDNN_TYPE_INT64, &mut bytes)?;
    Ok((plan, bytes[0].max(0) as usize))
}
