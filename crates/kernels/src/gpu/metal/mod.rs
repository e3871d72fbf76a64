//! Kernels on candle's Metal device: its memory, its command encoder, so that its own kernels may stand between ours.
//!
//! The encoder runs its kernels at the same time, in memory that Metal does not watch. It puts a barrier before one that reads what
//! an earlier one wrote, or writes what one read or wrote, of what it is told: every buffer is bound as an input or an output. Behind
//! an encoder stand fences, for all that it was told of outputs. So what was asked for first is done first.

mod compiler;

use super::launch::{Device, Kind, Launch, Memory, Of};
use super::slots::Bound;
use super::source::Access;
use super::{kept, memory};
use candle_core::backend::BackendStorage;
use candle_core::{Error, MetalDevice, MetalStorage, Result, Storage, Tensor, bail};
use objc2_metal::{MTLBuffer, MTLSize};

pub struct Metal {
    device: MetalDevice,
}

/// Memory of the device.
pub struct Buffer {
    kind: Kind,
    count: usize,
    /// Of its first number, in bytes.
    offset: usize,
    /// Of its first number, on the GPU.
    address: u64,
    /// As long as this is held candle gives its memory to nothing else.
    storage: MetalStorage,
    /// Whether it is a kernel's; it is a tensor's otherwise.
    is_own: bool,
}

impl Buffer {
    /// The storage, where it is a kernel's.
    pub(crate) fn into_storage(self) -> Option<Storage> {
        self.is_own.then_some(Storage::Metal(self.storage))
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

impl Metal {
    /// None where the device is none of Metal's.
    pub(crate) fn at(device: &candle_core::Device) -> Option<Metal> {
        match device {
            candle_core::Device::Metal(device) => Some(Metal { device: device.clone() }),
            _ => None,
        }
    }

    /// The memory of a tensor whose numbers are in row order.
    pub(crate) fn memory(&self, x: &Tensor) -> Result<Buffer> {
        let (storage, layout) = x.storage_and_layout();
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("a buffer of {:?}: expected numbers in row order, got strides {:?}", x.shape(), x.stride());
        };
        let Storage::Metal(storage) = &*storage else {
            bail!("a buffer: expected a tensor on Metal, got one on {:?}", x.device().location());
        };
        buffer(storage.clone(), start, end - start, false)
    }

    fn own(&self, storage: MetalStorage, count: usize) -> Result<Buffer> {
        buffer(storage, 0, count, true)
    }
}

fn buffer(storage: MetalStorage, start: usize, count: usize, is_own: bool) -> Result<Buffer> {
    let (dtype, kinds) = (storage.dtype(), [Kind::F32, Kind::Bf16, Kind::U32, Kind::U8]);
    let Some(kind) = kinds.into_iter().find(|kind| kind.dtype() == dtype) else {
        bail!("a kernel's buffer: expected f32, bf16, u32 or u8, got {dtype:?} – cast with to_dtype");
    };
    let offset = start * kind.bytes();
    let address = storage.buffer().as_ref().gpuAddress() + offset as u64;
    Ok(Buffer { kind, count, offset, address, storage, is_own })
}

impl Device for Metal {
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
        self.own(memory::of(&self.device, bytes)?, bytes.len())
    }

    fn kept_words(&self, of: Of, make: impl FnOnce() -> Vec<u32>) -> Result<Buffer> {
        self.memory(&kept::on(&candle_core::Device::Metal(self.device.clone()), of, make)?)
    }

    fn kept_floats(&self, of: Of, make: impl FnOnce() -> Vec<f32>) -> Result<Buffer> {
        self.memory(&kept::on(&candle_core::Device::Metal(self.device.clone()), of, make)?)
    }

    fn launch(&self, launch: &Launch<Buffer>) -> Result<()> {
        let Launch { source, kernel, storage, groups: [across, down], .. } = *launch;
        let place =
            |error: Error| error.context(format!("kernel {kernel} of {} in {storage:?}", source.name));
        let Bound { buffers, scalars } = launch.bound().map_err(place)?;
        // Before the encoder, which everything else on the device waits for while it is held.
        let pipeline = compiler::pipeline(&self.device, source, kernel, storage).map_err(place)?;
        let held = self.device.command_encoder().map_err(place)?;
        let encoder = held.as_ref();
        encoder.set_compute_pipeline_state(&pipeline);
        for (slot, buffer, access) in buffers {
            let memory = Some(buffer.storage.buffer());
            match access {
                Access::In => encoder.set_input_buffer(slot, memory, buffer.offset),
                Access::Out | Access::InOut => encoder.set_output_buffer(slot, memory, buffer.offset),
            }
        }
        if let Some((slot, bits)) = scalars {
            encoder.set_bytes_directly(slot, size_of_val(bits.as_slice()), bits.as_ptr().cast());
        }
        let groups = MTLSize { width: across as usize, height: down as usize, depth: 1 };
        let threads = MTLSize { width: source.threads as usize, height: 1, depth: 1 };
        encoder.dispatch_thread_groups(groups, threads);
        Ok(())
    }
}
