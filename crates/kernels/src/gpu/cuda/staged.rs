//! Batches on their way to a device, through memory that the system may not move: the copy then waits for what the stream has to do
//! before, and the host does not.

use candle_core::cuda_backend::cudarc::driver::{
    CudaEvent, CudaSlice, CudaStream, HostSlice, PinnedHostSlice, SyncOnDrop, sys::CUevent_flags,
};
use candle_core::cuda_backend::{DeviceId, WrapErr};
use candle_core::{CudaDevice, Result};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many batches are on their way at once; the next one waits until the first of them is there.
const PLACES: usize = 3;

static RINGS: Mutex<Option<HashMap<DeviceId, Ring>>> = Mutex::new(None);

#[derive(Default)]
struct Ring {
    places: [Option<Place>; PLACES],
    next: usize,
}

/// Memory of one batch.
struct Place {
    memory: PinnedHostSlice<u8>,
    /// The last copy out of it.
    copied: CudaEvent,
}

impl Place {
    fn new(device: &CudaDevice, count: usize) -> Result<Place> {
        let stream = device.cuda_stream();
        // SAFETY: it is written before it is read.
        let memory = unsafe { stream.context().alloc_pinned::<u8>(count) }.w()?;
        // Who waits for it sleeps: other threads decode images meanwhile.
        let copied = stream.context().new_event(Some(CUevent_flags::CU_EVENT_BLOCKING_SYNC)).w()?;
        Ok(Place { memory, copied })
    }
}

/// The first numbers of such memory.
struct First<'a>(&'a PinnedHostSlice<u8>, usize);

impl HostSlice<u8> for First<'_> {
    fn len(&self) -> usize {
        self.1
    }

    unsafe fn stream_synced_slice<'a>(&'a self, stream: &'a CudaStream) -> (&'a [u8], SyncOnDrop<'a>) {
        // SAFETY: the caller's.
        let (all, sync) = unsafe { self.0.stream_synced_slice(stream) };
        (&all[..self.1], sync)
    }

    unsafe fn stream_synced_mut_slice<'a>(&'a mut self, _: &'a CudaStream) -> (&'a mut [u8], SyncOnDrop<'a>) {
        unreachable!("nothing is copied into a batch")
    }
}

/// Bytes on the device, one at least.
pub(super) fn upload(device: &CudaDevice, bytes: &[u8]) -> Result<CudaSlice<u8>> {
    let mut rings = RINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let ring = rings.get_or_insert_default().entry(device.id()).or_default();
    let place = &mut ring.places[ring.next];
    ring.next = (ring.next + 1) % PLACES;
    if let Some(place) = place {
        place.copied.synchronize().w()?;
    }
    if place.as_ref().is_none_or(|place| place.memory.len() < bytes.len()) {
        // A system that pins no more memory copies from where the bytes are.
        *place = Place::new(device, bytes.len()).ok();
    }
    let Some(place) = place else { return device.clone_htod(bytes) };
    place.memory.as_mut_slice().w()?[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: all of it is written by the copy.
    let mut on = unsafe { device.alloc::<u8>(bytes.len())? };
    device.memcpy_htod(&First(&place.memory, bytes.len()), &mut on)?;
    place.copied.record(&device.cuda_stream()).w()?;
    Ok(on)
}
