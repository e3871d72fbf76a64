//! A descriptor of cuDNN's graph API: created, given attributes, finished, read, and destroyed with its owner.

use candle_core::cuda_backend::cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnStatus_t,
};
use candle_core::{Error, Result, bail};
use std::ffi::{CStr, c_void};
use std::ptr::null_mut;

pub use sys::cudnnBackendAttributeType_t as Type;
pub use sys::cudnnBackendDescriptorType_t as Kind;

pub struct Descriptor(sys::cudnnBackendDescriptor_t);

// SAFETY: a descriptor is memory of the library's, bound to no thread.
unsafe impl Send for Descriptor {}
// SAFETY: once finished it is only read.
unsafe impl Sync for Descriptor {}

/// # Errors
/// Fails on any status but success, with the library's own words.
pub fn check(what: &str, status: cudnnStatus_t) -> Result<()> {
    if status == cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut words = [0; 512];
    // SAFETY: the buffer has that length, and the library ends what it writes with 0.
    unsafe { sys::cudnnGetLastErrorString(words.as_mut_ptr(), words.len()) };
    words[words.len() - 1] = 0;
    // SAFETY: its last byte is 0.
    let words = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy();
    bail!("cuDNN: {what}: {status:?} {}", words.trim())
}

/// Whether the library says of something that it does not do it, rather than that something went wrong.
pub fn is_refusal(error: &Error) -> bool {
    error.to_string().contains("CUDNN_STATUS_NOT_SUPPORTED")
}

impl Descriptor {
    /// # Errors
    /// Fails where the library does.
    pub fn new(kind: Kind) -> Result<Descriptor> {
        let mut inner = null_mut();
        // SAFETY: the place is valid.
        let status = unsafe { sys::cudnnBackendCreateDescriptor(kind, &raw mut inner) };
        check(&format!("{kind:?}"), status)?;
        Ok(Descriptor(inner))
    }

    /// Sets an attribute to numbers, or to one value of an enumeration.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn set<V: Copy>(&self, name: Name, of: Type, values: &[V]) -> Result<()> {
        let data = values.as_ptr().cast::<c_void>();
        // SAFETY: as many values as said; what `of` means is V by contract of the callers, all in this folder.
        let status = unsafe { sys::cudnnBackendSetAttribute(self.0, name, of, values.len() as i64, data) };
        check(&format!("{name:?}"), status)
    }

    /// Sets an attribute to other descriptors, which have to outlive the use of this one.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn refer(&self, name: Name, others: &[&Descriptor]) -> Result<()> {
        let others: Vec<_> = others.iter().map(|other| other.0).collect();
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &others)
    }

    /// # Errors
    /// Fails where what was set makes no sense, or cannot be done on this device.
    pub fn finish(self, what: &str) -> Result<Descriptor> {
        // SAFETY: a descriptor of the library's.
        check(what, unsafe { sys::cudnnBackendFinalize(self.0) })?;
        Ok(self)
    }

    /// How many values an attribute has.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn count(&self, name: Name, of: Type) -> Result<usize> {
        let mut count = 0;
        // SAFETY: nothing is asked for but the count.
        let status =
            unsafe { sys::cudnnBackendGetAttribute(self.0, name, of, 0, &raw mut count, null_mut()) };
        check(&format!("{name:?}"), status)?;
        Ok(count.max(0) as usize)
    }

    /// Reads an attribute into `values`; how many there were.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn read<V: Copy>(&self, name: Name, of: Type, values: &mut [V]) -> Result<usize> {
        let (mut count, most) = (0, values.len() as i64);
        let data = values.as_mut_ptr().cast::<c_void>();
        // SAFETY: room for as many as said.
        let status = unsafe { sys::cudnnBackendGetAttribute(self.0, name, of, most, &raw mut count, data) };
        check(&format!("{name:?}"), status)?;
        Ok((count.max(0) as usize).min(values.len()))
    }

    /// Descriptors of a kind that an attribute refers to, at most `most`.
    ///
    /// # Errors
    /// Fails where the library does.
    pub fn referred(&self, name: Name, kind: Kind, most: usize) -> Result<Vec<Descriptor>> {
        let mut found = (0..most).map(|_| Descriptor::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut places: Vec<_> = found.iter().map(|found| found.0).collect();
        let count = self.read(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &mut places)?;
        found.truncate(count);
        Ok(found)
    }

    /// Executes this plan.
    ///
    /// # Errors
    /// Fails where the library does.
    ///
    /// # Safety
    /// The pack names memory of the device of `handle` that is large enough for what the plan does.
    pub unsafe fn execute(&self, handle: sys::cudnnHandle_t, pack: &Descriptor) -> Result<()> {
        // SAFETY: by contract.
        check("a plan", unsafe { sys::cudnnBackendExecute(handle, self.0, pack.0) })
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: its only owner.
        unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}
