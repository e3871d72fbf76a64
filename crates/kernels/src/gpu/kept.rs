//! Numbers that kernels read at every launch and that shapes alone decide, kept on their device: a step uploads them once.

use super::launch::Of;
use candle_core::{DType, Device, Result, Tensor, WithDType};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many numbers are kept on a device, 64 MiB; then those that nobody read for longest make room.
const MOST: usize = 1 << 24;

static SHELVES: Mutex<Vec<Shelf>> = Mutex::new(Vec::new());

/// What is kept on a device.
struct Shelf {
    device: Device,
    /// By what they are and their type.
    kept: HashMap<(&'static str, DType), HashMap<Vec<u64>, Kept>>,
    count: usize,
    /// Counts what is asked for.
    now: u64,
}

struct Kept {
    numbers: Tensor,
    /// When it was asked for last.
    asked: u64,
}

/// The numbers that `of` decides; `make` is asked where they are not on the device yet. There is one number at least.
pub(super) fn on<T: WithDType>(device: &Device, of: Of, make: impl FnOnce() -> Vec<T>) -> Result<Tensor> {
    let mut shelves = SHELVES.lock().unwrap_or_else(PoisonError::into_inner);
    let shelf = match shelves.iter().position(|shelf| shelf.device.same_device(device)) {
        Some(at) => &mut shelves[at],
        None => {
            shelves.push(Shelf::new(device));
            shelves.last_mut().expect("pushed")
        }
    };
    shelf.get(of, make, MOST)
}

impl Shelf {
    fn new(device: &Device) -> Shelf {
        Shelf { device: device.clone(), kept: HashMap::new(), count: 0, now: 0 }
    }

    fn get<T: WithDType>(
        &mut self,
        (what, sizes): Of,
        make: impl FnOnce() -> Vec<T>,
        most: usize,
    ) -> Result<Tensor> {
        self.now += 1;
        let all = self.kept.entry((what, T::DTYPE)).or_default();
        if let Some(kept) = all.get_mut(sizes) {
            kept.asked = self.now;
            return Ok(kept.numbers.clone());
        }
        let numbers = make();
        let count = numbers.len();
        let numbers = Tensor::from_vec(numbers, count, &self.device)?;
        if count > most {
            return Ok(numbers);
        }
        all.insert(sizes.to_vec(), Kept { numbers: numbers.clone(), asked: self.now });
        self.count += count;
        while self.count > most {
            self.forget();
        }
        Ok(numbers)
    }

    /// What nobody asked for for longest. Who has it still may go on with it.
    fn forget(&mut self) {
        let all = self.kept.iter().flat_map(|(what, all)| all.iter().map(move |kept| (*what, kept)));
        let Some((what, sizes)) =
            all.min_by_key(|(_, (_, kept))| kept.asked).map(|(what, (sizes, _))| (what, sizes.clone()))
        else {
            return;
        };
        if let Some(kept) = self.kept.get_mut(&what).and_then(|all| all.remove(&sizes)) {
            self.count -= kept.numbers.elem_count();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_made_once_until_others_need_the_room() -> Result<()> {
        let mut shelf = Shelf::new(&Device::Cpu);
        let mut made = 0;
        let mut get = |what: &'static str, sizes: &[u64]| -> Result<Vec<u32>> {
            let make = || {
                made += 1;
                vec![sizes[0] as u32; sizes[0] as usize]
            };
            shelf.get((what, sizes), make, 10)?.to_vec1()
        };
        assert_eq!(get("a", &[3])?, [3; 3]);
        assert_eq!(get("a", &[4])?, [4; 4]);
        assert_eq!((get("a", &[3])?, get("b", &[3])?), (vec![3; 3], vec![3; 3]));
        // All 10; [4] was not asked for for longest, and makes room.
        get("a", &[2])?;
        get("a", &[3])?;
        get("b", &[3])?;
        // More than there is room for is not kept, and displaces nothing.
        assert_eq!(get("c", &[11])?, [11; 11]);
        get("a", &[3])?;
        assert_eq!(made, 5);
        assert_eq!(shelf.count, 8);
        Ok(())
    }

    #[test]
    fn each_type_has_its_own() -> Result<()> {
        let of: Of = ("of a test", &[2]);
        let first = on(&Device::Cpu, of, || vec![1f32, 2.0])?;
        assert_eq!(on(&Device::Cpu, of, || -> Vec<f32> { unreachable!("it is kept") })?.id(), first.id());
        assert_eq!(on(&Device::Cpu, of, || vec![3u32, 4])?.to_vec1::<u32>()?, [3, 4]);
        Ok(())
    }
}
