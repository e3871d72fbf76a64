//! Convolutions by cuDNN on candle's stream.

use super::{Buffer, Cuda};
use crate::gpu::convolution::{Convolution, Pass};
use crate::gpu::cudnn::{ALIGNMENT, Cudnn};
use crate::gpu::launch::{Device, Kind, Memory};
use candle_core::cuda_backend::{DeviceId, WrapErr};
use candle_core::{Result, Tensor, bail};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// The library on each device that asked for it. A handle lives as long as the program.
static HANDLES: LazyLock<Mutex<HashMap<DeviceId, Arc<Cudnn>>>> = LazyLock::new(Mutex::default);

impl Cuda {
    fn cudnn(&self) -> Result<Arc<Cudnn>> {
        let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cudnn) = handles.get(&self.device.id()) {
            return Ok(cudnn.clone());
        }
        let cudnn = Arc::new(Cudnn::new(self.device.cuda_stream().cu_stream().cast())?);
        handles.insert(self.device.id(), cudnn.clone());
        Ok(cudnn)
    }

    /// What is computed of the two others, in their order; None where the library has no engine for it.
    ///
    /// # Errors
    /// Fails on operands of other sizes, where the library cannot be loaded, and where it fails.
    pub(crate) fn convolve(&self, asked: Convolution, others: [&Tensor; 2]) -> Result<Option<Buffer>> {
        // Handles and plans are made for the device that is current.
        self.device.cuda_stream().context().bind_to_thread().w()?;
        let cudnn = self.cudnn()?;
        let Some(plan) = cudnn.plan(asked)? else { return Ok(None) };
        if [others[0].dims(), others[1].dims()] != asked.others().each_ref().map(<[usize; 4]>::as_slice) {
            bail!("{asked:?}: got {:?} and {:?}", others[0].shape(), others[1].shape());
        }
        let [a, b] = [self.aligned(others[0])?, self.aligned(others[1])?];
        let target = self.empty(a.kind(), asked.target().iter().product())?;
        let workspace = self.empty(Kind::U8, plan.workspace)?;
        let [a, b, to] = [&a, &b, &target].map(Memory::address);
        let operands = match asked.pass {
            Pass::Forward => [a, b, to],
            Pass::Input => [to, a, b],
            Pass::Weight => [a, to, b],
        };
        // SAFETY: the plan is of this device; buffers are as large as its sizes say, and freed behind this on its stream.
        unsafe { cudnn.run(&plan, operands, workspace.address())? };
        Ok(Some(target))
    }

    /// The numbers of `x` in row order, from a multiple of the bytes that engines count on.
    fn aligned(&self, x: &Tensor) -> Result<Buffer> {
        let buffer = self.buffer(x)?;
        if buffer.address().is_multiple_of(ALIGNMENT) {
            return Ok(buffer);
        }
        self.memory(&x.detach().force_contiguous()?)
    }
}
