//! What is launched: a kernel, its groups and arguments, checked against its signature. No backend owns it.

use super::source::{Access, Element, Form, LIST, Signature, Source};
use candle_core::{DType, Result, bail};

/// The type of the numbers of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F32,
    Bf16,
    U32,
    U8,
}

impl Kind {
    /// Bytes of one number.
    pub fn bytes(self) -> usize {
        match self {
            Kind::F32 | Kind::U32 => 4,
            Kind::Bf16 => 2,
            Kind::U8 => 1,
        }
    }

    /// As candle has it.
    pub fn dtype(self) -> DType {
        match self {
            Kind::F32 => DType::F32,
            Kind::Bf16 => DType::BF16,
            Kind::U32 => DType::U32,
            Kind::U8 => DType::U8,
        }
    }
}

/// The type `T` of a kernel: what values are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Storage {
    F32,
    Bf16,
}

impl Storage {
    pub const ALL: [Storage; 2] = [Storage::F32, Storage::Bf16];

    /// As the dialect writes it, and the end of a kernel's name.
    pub fn name(self) -> &'static str {
        match self {
            Storage::F32 => "f32",
            Storage::Bf16 => "bf16",
        }
    }

    /// Of a buffer of such values.
    pub fn kind(self) -> Kind {
        match self {
            Storage::F32 => Kind::F32,
            Storage::Bf16 => Kind::Bf16,
        }
    }

    /// Of a tensor; None of one in another type.
    pub fn of_type(dtype: DType) -> Option<Storage> {
        Storage::ALL.into_iter().find(|storage| storage.kind().dtype() == dtype)
    }

    /// The one that a buffer of values has.
    ///
    /// # Errors
    /// Fails on a buffer of whole numbers.
    pub fn of(buffer: &impl Memory) -> Result<Storage> {
        match buffer.kind() {
            Kind::F32 => Ok(Storage::F32),
            Kind::Bf16 => Ok(Storage::Bf16),
            kind => bail!("a kernel's values: expected f32 or bf16, got {kind:?}"),
        }
    }
}

/// A buffer on a device.
pub trait Memory {
    /// Of its numbers.
    fn kind(&self) -> Kind;
    /// How many numbers it has.
    fn count(&self) -> usize;
    /// Where it begins: two buffers of one memory say the same.
    fn address(&self) -> u64;
}

/// What decides numbers that are kept: what they are, and sizes or the bits of numbers.
pub type Of<'a> = (&'static str, &'a [u64]);

/// What launches kernels. Launches run one after another, in the order in which they were asked for.
pub trait Device {
    type Buffer: Memory;

    /// A buffer with nothing in it yet.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn empty(&self, kind: Kind, count: usize) -> Result<Self::Buffer>;

    /// Whole numbers on the device.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn words(&self, words: &[u32]) -> Result<Self::Buffer>;

    /// f32 numbers on the device.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn floats(&self, floats: &[f32]) -> Result<Self::Buffer>;

    /// Bytes on the device.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn bytes(&self, bytes: &[u8]) -> Result<Self::Buffer>;

    /// Whole numbers that `of` alone decides, and that kernels only read: a device may keep them, and ask for them once.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn kept_words(&self, _of: Of, make: impl FnOnce() -> Vec<u32>) -> Result<Self::Buffer> {
        self.words(&make())
    }

    /// The same of f32 numbers.
    ///
    /// # Errors
    /// Fails where there is no memory.
    fn kept_floats(&self, _of: Of, make: impl FnOnce() -> Vec<f32>) -> Result<Self::Buffer> {
        self.floats(&make())
    }

    /// Runs a kernel.
    ///
    /// # Errors
    /// Fails where the kernel cannot be compiled or run.
    fn launch(&self, launch: &Launch<Self::Buffer>) -> Result<()>;
}

/// What a kernel is given.
pub enum Argument<'a, B> {
    Buffer(&'a B),
    /// At most [`LIST`].
    List(Vec<&'a B>),
    U32(u32),
    F32(f32),
}

impl<'a, B> From<&'a B> for Argument<'a, B> {
    fn from(buffer: &'a B) -> Self {
        Argument::Buffer(buffer)
    }
}

impl<B> From<u32> for Argument<'_, B> {
    fn from(value: u32) -> Self {
        Argument::U32(value)
    }
}

impl<B> From<bool> for Argument<'_, B> {
    fn from(value: bool) -> Self {
        Argument::U32(u32::from(value))
    }
}

impl<B> From<f32> for Argument<'_, B> {
    fn from(value: f32) -> Self {
        Argument::F32(value)
    }
}

impl<'a, B> From<Vec<&'a B>> for Argument<'a, B> {
    fn from(buffers: Vec<&'a B>) -> Self {
        Argument::List(buffers)
    }
}

/// One run of a kernel; each group has [`Source::threads`] threads.
pub struct Launch<'a, B> {
    pub source: &'static Source,
    pub kernel: &'static str,
    pub storage: Storage,
    /// Across and down.
    pub groups: [u32; 2],
    pub arguments: Vec<Argument<'a, B>>,
}

/// Groups down: CUDA's limit.
const DOWN: u32 = 65_535;

impl<B: Memory> Launch<'_, B> {
    /// The signature of the kernel, which the arguments fit.
    ///
    /// # Errors
    /// Fails on a kernel that the source has not, on arguments of another number or type, on no group, and on more groups than
    /// a grid has.
    pub fn check(&self) -> Result<&'static Signature> {
        let signature = self.source.signature(self.kernel)?;
        let [across, down] = self.groups;
        if across == 0 || down == 0 || across > i32::MAX as u32 || down > DOWN {
            bail!(
                "{}: expected 1 to 2³¹ − 1 groups across and 1 to {DOWN} down, got {:?}",
                self.kernel,
                self.groups
            );
        }
        if signature.parameters.len() != self.arguments.len() {
            let expected = signature.parameters.len();
            bail!("{}: expected {expected} arguments, got {}", self.kernel, self.arguments.len());
        }
        let mut written: Vec<u64> = Vec::new();
        for (parameter, argument) in signature.parameters.iter().zip(&self.arguments) {
            let wrong = |got: &dyn std::fmt::Display| -> Result<()> {
                bail!("{}: {}: expected {:?}, got {got}", self.kernel, parameter.name, parameter.form)
            };
            match (&parameter.form, argument) {
                (Form::U32, Argument::U32(_)) | (Form::F32, Argument::F32(_)) => {}
                (Form::Buffer(access, element), Argument::Buffer(buffer)) => {
                    self.fits(*element, *buffer).or_else(|kind| wrong(&kind))?;
                    written.extend((*access != Access::In && buffer.count() > 0).then_some(buffer.address()));
                }
                (Form::List(access, element), Argument::List(buffers)) => {
                    if buffers.is_empty() || buffers.len() > LIST {
                        wrong(&format!("{} buffers", buffers.len()))?;
                    }
                    for buffer in buffers {
                        self.fits(*element, *buffer).or_else(|kind| wrong(&kind))?;
                        written.extend(
                            (*access != Access::In && buffer.count() > 0).then_some(buffer.address()),
                        );
                    }
                }
                (_, Argument::U32(value)) => wrong(&format!("{value}_u32"))?,
                (_, Argument::F32(value)) => wrong(&format!("{value}_f32"))?,
                (_, Argument::Buffer(buffer)) => wrong(&format!("a buffer of {:?}", buffer.kind()))?,
                (_, Argument::List(buffers)) => wrong(&format!("a list of {}", buffers.len()))?,
            }
        }
        for buffer in &written {
            if self.buffers().filter(|other| other.count() > 0 && other.address() == *buffer).count() > 1 {
                bail!("{}: a buffer that is written is given twice – give it once", self.kernel);
            }
        }
        Ok(signature)
    }

    fn buffers(&self) -> impl Iterator<Item = &B> {
        self.arguments.iter().flat_map(|argument| match argument {
            Argument::Buffer(buffer) => vec![*buffer],
            Argument::List(buffers) => buffers.clone(),
            Argument::U32(_) | Argument::F32(_) => Vec::new(),
        })
    }

    fn fits(&self, element: Element, buffer: &B) -> std::result::Result<(), String> {
        let kind = match element {
            Element::Storage => self.storage.kind(),
            Element::F32 => Kind::F32,
            Element::U32 => Kind::U32,
            Element::U8 => Kind::U8,
        };
        if buffer.kind() == kind { Ok(()) } else { Err(format!("a buffer of {:?}", buffer.kind())) }
    }
}

impl Source {
    /// Checks a launch and gives it to the device.
    ///
    /// # Errors
    /// Those of [`Launch::check`] and of the device.
    pub fn launch<D: Device>(
        &'static self,
        device: &D,
        (kernel, storage): (&'static str, Storage),
        groups: [u32; 2],
        arguments: Vec<Argument<D::Buffer>>,
    ) -> Result<()> {
        let launch = Launch { source: self, kernel, storage, groups, arguments };
        launch.check()?;
        device.launch(&launch)
    }

    /// A result of n numbers that are each by itself, in the type of the first input: of a kernel that takes the inputs, the result, n,
    /// and `more`.
    ///
    /// # Errors
    /// Those of [`size`], of [`Launch::check`] and of the device.
    pub fn each<D: Device>(
        &'static self,
        device: &D,
        kernel: &'static str,
        inputs: &[&D::Buffer],
        n: usize,
        more: Vec<Argument<D::Buffer>>,
    ) -> Result<D::Buffer> {
        inputs.iter().try_for_each(|input| size(input.count()).map(|_| ()))?;
        let (storage, across) = (Storage::of(inputs[0])?, self.wide(n)?);
        let y = device.empty(storage.kind(), n)?;
        let mut arguments: Vec<Argument<D::Buffer>> =
            inputs.iter().map(|input| Argument::Buffer(*input)).collect();
        arguments.extend([Argument::Buffer(&y), size(n)?.into()]);
        arguments.extend(more);
        self.launch(device, (kernel, storage), across, arguments)?;
        Ok(y)
    }
}

/// Sizes as arguments.
///
/// # Errors
/// Those of [`size`].
pub fn sizes<'a, B, const N: usize>(sizes: [usize; N]) -> Result<Vec<Argument<'a, B>>> {
    sizes.into_iter().map(|n| Ok(size(n)?.into())).collect()
}

/// A size as kernels count: their indices have 32 bits, and a step beyond the end must not overflow.
///
/// # Errors
/// Fails from 2³¹ on.
pub fn size(n: usize) -> Result<u32> {
    match u32::try_from(n) {
        Ok(n) if n < 1 << 31 => Ok(n),
        _ => bail!("a kernel's size: expected less than 2³¹ numbers, got {n} – take fewer rows at a time"),
    }
}

/// Groups of `each` numbers for `n`, at least one.
///
/// # Errors
/// Those of [`size`].
pub fn groups(n: usize, each: u32) -> Result<u32> {
    Ok(size(n)?.div_ceil(each).max(1))
}
