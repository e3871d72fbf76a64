//! Where a Metal kernel finds its arguments: a slot for each buffer, [`LIST`] of them for a list, and one behind them for all scalars,
//! a struct of 4 bytes each. The text (`target.rs`) names these slots, and a device (`metal/`) binds to them.

use super::launch::{Argument, Launch, Memory};
use super::source::{Access, Form, LIST, Signature};
use candle_core::{Result, bail};

/// Slots that a Metal kernel has at most.
pub const SLOTS: usize = 31;

/// The place of one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    Buffer(usize),
    /// The first of [`LIST`].
    List(usize),
    /// In the struct of scalars, counted.
    Scalar(usize),
}

/// The places of a kernel's arguments.
#[derive(Debug, PartialEq, Eq)]
pub struct Slots {
    /// By parameter.
    pub places: Vec<Slot>,
    /// Of the struct of scalars, where there is one.
    pub scalars: Option<usize>,
}

impl Signature {
    pub fn slots(&self) -> Slots {
        let (mut next, mut scalars) = (0, 0);
        let mut take = |count: usize| {
            next += count;
            next - count
        };
        let mut place = |form: &Form| match form {
            Form::Buffer(..) => Slot::Buffer(take(1)),
            Form::List(..) => Slot::List(take(LIST)),
            Form::U32 | Form::F32 => {
                scalars += 1;
                Slot::Scalar(scalars - 1)
            }
        };
        let places = self.parameters.iter().map(|parameter| place(&parameter.form)).collect();
        Slots { places, scalars: (scalars > 0).then_some(next) }
    }
}

/// What is bound for a launch: something to every slot that the kernel names.
pub struct Bound<'a, B> {
    pub buffers: Vec<(usize, &'a B, Access)>,
    /// The bits of the scalars, and their slot.
    pub scalars: Option<(usize, Vec<u32>)>,
}

impl<'a, B: Memory> Launch<'a, B> {
    /// What stands in which slot. A list that is shorter than [`LIST`] is filled up by its last buffer, which the kernel does not take
    /// there: Metal refuses a slot that is named and empty.
    ///
    /// # Errors
    /// Fails on a kernel that the source has not, and on arguments that do not fit it.
    pub fn bound(&self) -> Result<Bound<'a, B>> {
        let signature = self.source.signature(self.kernel)?;
        let Slots { places, scalars } = signature.slots();
        let (mut buffers, mut bits) = (Vec::new(), Vec::new());
        for ((parameter, place), argument) in signature.parameters.iter().zip(places).zip(&self.arguments) {
            match (place, &parameter.form, argument) {
                (Slot::Buffer(slot), Form::Buffer(access, _), Argument::Buffer(buffer)) => {
                    buffers.push((slot, *buffer, *access));
                }
                (Slot::List(first), Form::List(access, _), Argument::List(list)) if !list.is_empty() => {
                    let at = |k: usize| list[k.min(list.len() - 1)];
                    buffers.extend((0..LIST).map(|k| (first + k, at(k), *access)));
                }
                (Slot::Scalar(_), Form::U32, Argument::U32(value)) => bits.push(*value),
                (Slot::Scalar(_), Form::F32, Argument::F32(value)) => bits.push(value.to_bits()),
                (_, form, _) => bail!("{}: {}: expected {form:?}", self.kernel, parameter.name),
            }
        }
        Ok(Bound { buffers, scalars: scalars.map(|slot| (slot, bits)) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::launch::{Kind, Storage};
    use super::super::source::Source;
    use super::*;

    static SOURCE: Source = Source::new(
        "example",
        64,
        "KERNEL(scaled, UINT(n), IN(T, x), INOUTS(f32, y), FLOAT(a), OUT(u8, z)) {}\nKERNEL(plain, IN(T, x)) {}\n",
    );

    struct Buffer(u64);

    impl Memory for Buffer {
        fn kind(&self) -> Kind {
            Kind::F32
        }

        fn count(&self) -> usize {
            1
        }

        fn address(&self) -> u64 {
            self.0
        }
    }

    #[test]
    fn every_slot_gets_something_and_scalars_stand_in_order() {
        let slots = SOURCE.signature("scaled").unwrap().slots();
        let places = [Slot::Scalar(0), Slot::Buffer(0), Slot::List(1), Slot::Scalar(1), Slot::Buffer(8)];
        assert_eq!(slots, Slots { places: places.to_vec(), scalars: Some(9) });
        assert_eq!(SOURCE.signature("plain").unwrap().slots().scalars, None);
        let [x, y, other, z] = [10, 11, 12, 13].map(Buffer);
        let launch = |arguments| Launch {
            source: &SOURCE,
            kernel: "scaled",
            storage: Storage::F32,
            groups: [1, 1],
            arguments,
        };
        let list = vec![&y, &other];
        let fits = launch(vec![5u32.into(), (&x).into(), list.into(), 0.5f32.into(), (&z).into()]);
        let bound = fits.bound().unwrap();
        let at: Vec<_> =
            bound.buffers.iter().map(|(slot, buffer, access)| (*slot, buffer.0, *access)).collect();
        let (reads, writes, updates) = (Access::In, Access::Out, Access::InOut);
        let filled = (3..8).map(|slot| (slot, 12, updates));
        let expected = [(0, 10, reads), (1, 11, updates), (2, 12, updates)].into_iter().chain(filled);
        assert_eq!(at, expected.chain([(8, 13, writes)]).collect::<Vec<_>>());
        assert_eq!(bound.scalars, Some((9, vec![5, 0.5f32.to_bits()])));
        let wrong = launch(vec![5u32.into(), (&x).into(), (&y).into(), 0.5f32.into(), (&z).into()]);
        let error = wrong.bound().err().expect("a buffer for a list").to_string();
        assert!(error.starts_with("scaled: y: expected List(InOut, F32)"), "{error}");
    }
}
