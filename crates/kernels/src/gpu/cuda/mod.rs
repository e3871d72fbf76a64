//! Kernels on candle's CUDA device: its memory, its stream, so that its own kernels may stand between ours.
//!
//! Every buffer is of one candle device, whose work all goes to one stream: what was asked for first is done first.

mod cache;
mod compiler;
#[cfg(feature = "cudnn")]
mod convolution;
mod staged;

use super::launch::{Argument, Device, Kind, Launch, Memory, Of};
use super::source::LIST;
use super::{kept, memory};
use candle_core::cuda_backend::cudarc::driver::{
    CudaSlice, CudaStream, DevicePtr, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::{CudaStorageSlice, WrapErr};
use candle_core::{CudaDevice, CudaStorage, Error, Result, Storage, Tensor, bail};

pub struct Cuda {
    device: CudaDevice,
}

/// A GPU with one stream for all work, candle's and ours: on candle's default each thread has a stream of its own, which nothing orders.
/// Events, with which memory waits for other streams, are not recorded then.
///
/// # Errors
/// Fails where the driver or a library does not open it.
pub fn open(ordinal: usize) -> Result<candle_core::Device> {
    let device = CudaDevice::new_with_stream(ordinal)?;
    // SAFETY: nobody makes another stream, so that all memory is used in the order of this one.
    unsafe { device.disable_event_tracking() };
    Ok(candle_core::Device::Cuda(device))
}

/// Memory of the device.
pub struct Buffer {
    kind: Kind,
    count: usize,
    /// Of its first number.
    address: u64,
    /// Its memory, where it is a kernel's; it is freed behind what was asked for before.
    storage: Option<CudaStorage>,
    /// Whose memory it is otherwise.
    _of: Option<Tensor>,
}

impl Buffer {
    /// The storage, where it is a kernel's.
    pub(crate) fn into_storage(self) -> Option<Storage> {
        self.storage.map(Storage::Cuda)
    }
}

impl Memory for Buffer {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn count(&self) -> usize {
        self.count
    }

    fn address(&self) -> u64 {
        self.address
    }
}

impl Cuda {
    pub fn new(device: &CudaDevice) -> Cuda {
        Cuda { device: device.clone() }
    }

    /// None where the device is none of CUDA's.
    pub(crate) fn at(device: &candle_core::Device) -> Option<Cuda> {
        match device {
            candle_core::Device::Cuda(device) => Some(Cuda::new(device)),
            _ => None,
        }
    }

    /// The memory of a tensor whose numbers are in row order.
    pub(crate) fn memory(&self, x: &Tensor) -> Result<Buffer> {
        let (storage, layout) = x.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("a buffer of {:?}: expected numbers in row order, got strides {:?}", x.shape(), x.stride());
        };
        let Storage::Cuda(storage) = &*storage else {
            bail!("a buffer: expected a tensor on CUDA, got one on {:?}", x.device().location());
        };
        let (kind, address) = self.place(storage)?;
        let address = address + (start * kind.bytes()) as u64;
        Ok(Buffer { kind, count: end - start, address, storage: None, _of: Some(x.clone()) })
    }

    fn own(&self, storage: CudaStorage, count: usize) -> Result<Buffer> {
        let (kind, address) = self.place(&storage)?;
        Ok(Buffer { kind, count, address, storage: Some(storage), _of: None })
    }

    fn place(&self, storage: &CudaStorage) -> Result<(Kind, u64)> {
        let stream = self.device.cuda_stream();
        fn of<T>(slice: &CudaSlice<T>, stream: &CudaStream) -> u64 {
            slice.device_ptr(stream).0
        }
        Ok(match &storage.slice {
            CudaStorageSlice::F32(slice) => (Kind::F32, of(slice, &stream)),
            CudaStorageSlice::BF16(slice) => (Kind::Bf16, of(slice, &stream)),
            CudaStorageSlice::U32(slice) => (Kind::U32, of(slice, &stream)),
            CudaStorageSlice::U8(slice) => (Kind::U8, of(slice, &stream)),
            _ => bail!("a kernel's buffer: expected f32, bf16, u32 or u8 – cast with to_dtype"),
        })
    }
}

/// An argument as the driver copies it.
enum Value {
    Address(u64),
    List([u64; LIST]),
    U32(u32),
    F32(f32),
}

impl Value {
    fn of(argument: &Argument<Buffer>) -> Value {
        match argument {
            Argument::Buffer(buffer) => Value::Address(buffer.address),
            Argument::List(buffers) => {
                let mut at = [0; LIST];
                at.iter_mut().zip(buffers).for_each(|(at, buffer)| *at = buffer.address);
                Value::List(at)
            }
            Argument::U32(value) => Value::U32(*value),
            Argument::F32(value) => Value::F32(*value),
        }
    }
}

impl Device for Cuda {
    type Buffer = Buffer;

    fn empty(&self, kind: Kind, count: usize) -> Result<Buffer> {
        self.own(memory::empty(&self.device, kind.dtype(), count)?, count)
    }

    fn words(&self, words: &[u32]) -> Result<Buffer> {
        self.own(memory::of(&self.device, words)?, words.len())
    }

    fn floats(&self, floats: &[f32]) -> Result<Buffer> {
        self.own(memory::of(&self.device, floats)?, floats.len())
    }

    fn bytes(&self, bytes: &[u8]) -> Result<Buffer> {
        if bytes.is_empty() {
            return self.empty(Kind::U8, 0);
        }
        let slice = staged::upload(&self.device, bytes)?;
        self.own(CudaStorage::wrap_cuda_slice(slice, self.device.clone()), bytes.len())
    }

    fn kept_words(&self, of: Of, make: impl FnOnce() -> Vec<u32>) -> Result<Buffer> {
        self.memory(&kept::on(&candle_core::Device::Cuda(self.device.clone()), of, make)?)
    }

    fn kept_floats(&self, of: Of, make: impl FnOnce() -> Vec<f32>) -> Result<Buffer> {
        self.memory(&kept::on(&candle_core::Device::Cuda(self.device.clone()), of, make)?)
    }

    fn launch(&self, launch: &Launch<Buffer>) -> Result<()> {
        let Launch { source, kernel, storage, groups: [across, down], .. } = *launch;
        let place =
            |error: Error| error.context(format!("kernel {kernel} of {} in {storage:?}", source.name));
        let function = compiler::function(&self.device, source, kernel, storage).map_err(place)?;
        let values: Vec<Value> = launch.arguments.iter().map(Value::of).collect();
        let stream = self.device.cuda_stream();
        let mut call = stream.launch_builder(&function);
        for value in &values {
            match value {
                Value::Address(address) => call.arg(address),
                Value::List(addresses) => call.arg(addresses),
                Value::U32(value) => call.arg(value),
                Value::F32(value) => call.arg(value),
            };
        }
        let config = LaunchConfig {
            grid_dim: (across, down, 1),
            block_dim: (source.threads, 1, 1),
            shared_mem_bytes: 0,
        };
        // SAFETY: the arguments fit the kernel's signature, checked by `Source::launch`, in its order; buffers live until the
        // stream has passed this launch, as they are freed on it.
        unsafe { call.launch(config) }.w().map_err(place)?;
        Ok(())
    }
}
