//! Updates in place on a GPU: every kernel takes several tensors, so that all parameters take few launches.

use super::{AdamW, Sgd};
use crate::gpu::{Argument, Device, Kind, LIST, Memory, Source, Storage, arguments, size};
use candle_core::{Result, bail};

pub static SOURCE: Source = Source::new("optimizer", 256, include_str!("gpu.cc"));

/// Numbers of one group.
const PIECE: usize = 4096;

/// What the groups of one launch work on: how many there are, and on the device (tensor of the list, begin, end) of each; none where
/// all tensors are empty.
fn pieces<D: Device>(device: &D, tensors: &[&D::Buffer]) -> Result<Option<(u32, D::Buffer)>> {
    let counts: Vec<usize> = tensors.iter().map(|tensor| tensor.count()).collect();
    counts.iter().try_for_each(|count| size(*count).map(drop))?;
    let across = size(counts.iter().map(|count| count.div_ceil(PIECE)).sum())?;
    if across == 0 {
        return Ok(None);
    }
    let table = || {
        let of = |(k, count): (usize, &usize)| {
            let (count, begins) = (*count, (0..*count).step_by(PIECE));
            begins.flat_map(move |begin| [k, begin, (begin + PIECE).min(count)].map(|n| n as u32))
        };
        counts.iter().enumerate().flat_map(of).collect()
    };
    let of: Vec<u64> = counts.iter().map(|count| *count as u64).collect();
    Ok(Some((across, device.kept_words(("pieces", &of), table)?)))
}

/// Tensors of a list: as many rows as there are parameters, their buffers of one size in each.
fn check<B: Memory, const N: usize>(op: &str, tensors: &[[&B; N]]) -> Result<()> {
    if tensors.iter().any(|row| row.iter().any(|buffer| buffer.count() != row[0].count())) {
        bail!("{op}: expected buffers of one size for each parameter");
    }
    Ok(())
}

/// Column `k` of a list.
fn column<'a, B, const N: usize>(tensors: &[[&'a B; N]], k: usize) -> Vec<&'a B> {
    tensors.iter().map(|row| row[k]).collect()
}

/// Rows as launches take them: as many as one takes, of one type in column `k`.
///
/// # Errors
/// Fails on buffers of numbers that are no values.
fn lists<'a, B: Memory, const N: usize>(tensors: &[[&'a B; N]], k: usize) -> Result<Vec<List<'a, B, N>>> {
    let mut lists = Vec::new();
    for storage in [Storage::F32, Storage::Bf16] {
        let of = tensors.iter().map(|row| Ok((Storage::of(row[k])?, *row))).collect::<Result<Vec<_>>>()?;
        let rows: Vec<_> = of.into_iter().filter(|(of, _)| *of == storage).map(|(_, row)| row).collect();
        lists.extend(rows.chunks(LIST).map(|rows| (storage, rows.to_vec())));
    }
    Ok(lists)
}

type List<'a, B, const N: usize> = (Storage, Vec<[&'a B; N]>);

/// A step of [`Sgd`] for each (parameter, gradient, velocity).
///
/// # Errors
/// Fails on buffers of two sizes, and where the device does.
pub fn sgd<D: Device>(device: &D, tensors: &[[&D::Buffer; 3]], options: Sgd) -> Result<()> {
    check("sgd_step", tensors)?;
    let Sgd { lr, momentum, nesterov, decay } = options;
    for (storage, tensors) in lists(tensors, 1)? {
        let tensors = &tensors[..];
        let Some((across, table)) = pieces(device, &column(tensors, 0))? else { continue };
        let [param, grad, velocity] = [0, 1, 2].map(|k| column(tensors, k));
        let mut arguments = arguments![param, grad, velocity, &table];
        arguments.extend(arguments![lr as f32, momentum as f32, decay as f32, nesterov]);
        SOURCE.launch(device, ("sgd", storage), [across, 1], arguments)?;
    }
    Ok(())
}

/// A step of [`AdamW`] for each (parameter, gradient, m, v).
///
/// # Errors
/// Fails on a step of 0, on buffers of two sizes, and where the device does.
pub fn adamw<D: Device>(device: &D, tensors: &[[&D::Buffer; 4]], options: AdamW) -> Result<()> {
    check("adamw_step", tensors)?;
    let AdamW { lr, beta1, beta2, eps, step, .. } = options;
    if step == 0 {
        bail!("adamw_step: expected steps counted from 1, got 0");
    }
    let (c1, c2) = (1.0 - beta1.powf(step as f64), (1.0 - beta2.powf(step as f64)).sqrt());
    let (keep, coupled) = (options.keep(), options.coupled_decay().unwrap_or(0.0));
    let numbers = [keep, lr / c1, c2, eps, beta1, 1.0 - beta1, beta2, 1.0 - beta2, coupled];
    for (storage, tensors) in lists(tensors, 1)? {
        let tensors = &tensors[..];
        let Some((across, table)) = pieces(device, &column(tensors, 0))? else { continue };
        let [param, grad, m, v] = [0, 1, 2, 3].map(|k| column(tensors, k));
        let mut arguments = arguments![param, grad, m, v, &table];
        arguments.extend(numbers.map(|number| (number as f32).into()));
        SOURCE.launch(device, ("adamw", storage), [across, 1], arguments)?;
    }
    Ok(())
}

/// average += (1 − decay)·(value − average) for each (average, value), f32.
///
/// # Errors
/// Fails on buffers of two sizes, and where the device does.
pub fn ema<D: Device>(device: &D, tensors: &[[&D::Buffer; 2]], decay: f64) -> Result<()> {
    check("ema_update", tensors)?;
    for (storage, tensors) in lists(tensors, 1)? {
        let tensors = &tensors[..];
        let Some((across, table)) = pieces(device, &column(tensors, 0))? else { continue };
        let arguments = arguments![column(tensors, 0), column(tensors, 1), &table, (1.0 - decay) as f32];
        SOURCE.launch(device, ("average", storage), [across, 1], arguments)?;
    }
    Ok(())
}

/// √(Σ of all squares), one f32 number that stays on the device.
///
/// # Errors
/// Fails without gradients, and where the device does.
pub fn norm<D: Device>(device: &D, grads: &[&D::Buffer]) -> Result<D::Buffer> {
    if grads.is_empty() {
        bail!("grad_norm: expected a gradient at least");
    }
    let mut found = Vec::new();
    for (storage, list) in lists(&rows_of(grads), 0)? {
        let list = column(&list, 0);
        if let Some((across, table)) = pieces(device, &list)? {
            found.push((storage, list, across, table));
        }
    }
    let count = found.iter().map(|(_, _, across, _)| across).sum::<u32>();
    let sums = device.empty(Kind::F32, count as usize)?;
    let mut done = 0;
    for (storage, list, across, table) in &found {
        let arguments = arguments![list.clone(), table, &sums, done];
        SOURCE.launch(device, ("squares", *storage), [*across, 1], arguments)?;
        done += across;
    }
    let norm = device.empty(Kind::F32, 1)?;
    SOURCE.launch(device, ("norm", Storage::F32), [1, 1], arguments![&sums, &norm, count])?;
    Ok(norm)
}

/// x = factor · x for each.
///
/// # Errors
/// Those of the device.
pub fn scale<D: Device>(device: &D, tensors: &[&D::Buffer], factor: f64) -> Result<()> {
    each(device, "scale", tensors, || arguments![factor as f32])
}

/// Gradients of the norm `norm` (1 number, as [`norm`] leaves it on the device) made `most` long where it is above that.
///
/// # Errors
/// Those of the device.
pub fn clip<D: Device>(device: &D, grads: &[&D::Buffer], norm: &D::Buffer, most: f64) -> Result<()> {
    each(device, "clip", grads, || arguments![norm, most as f32])
}

fn rows_of<'a, B>(tensors: &[&'a B]) -> Vec<[&'a B; 1]> {
    tensors.iter().map(|tensor| [*tensor]).collect()
}

/// A kernel that takes a list, its pieces, and `more`.
fn each<'a, D: Device>(
    device: &D,
    kernel: &'static str,
    tensors: &[&'a D::Buffer],
    more: impl Fn() -> Vec<Argument<'a, D::Buffer>>,
) -> Result<()> {
    for (storage, list) in lists(&rows_of(tensors), 0)? {
        let list = column(&list, 0);
        let Some((across, table)) = pieces(device, &list)? else { continue };
        let mut arguments = arguments![list, &table];
        arguments.extend(more());
        SOURCE.launch(device, (kernel, storage), [across, 1], arguments)?;
    }
    Ok(())
}

/// y = x in its own type for each (f32 x, y).
///
/// # Errors
/// Fails on buffers of two sizes, and where the device does.
pub fn cast<D: Device>(device: &D, tensors: &[[&D::Buffer; 2]]) -> Result<()> {
    check("cast", tensors)?;
    for (storage, tensors) in lists(tensors, 1)? {
        let tensors = &tensors[..];
        let Some((across, table)) = pieces(device, &column(tensors, 0))? else { continue };
        let arguments = arguments![column(tensors, 0), column(tensors, 1), &table];
        SOURCE.launch(device, ("cast", storage), [across, 1], arguments)?;
    }
    Ok(())
}
