//! What `models.py` fills tensors with, to the bit: the same numbers in every language.

/// splitmix64(fnv1a64(name) + i), i = 0, 1, …
pub fn hashes(name: &str) -> impl Iterator<Item = u64> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let mut state = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv).wrapping_add(0x9e37_79b9_7f4a_7c15);
    std::iter::repeat_with(move || {
        let mut z = state;
        state = state.wrapping_add(1);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// `n` numbers in [−1, 1).
pub fn unit(name: &str, n: usize) -> Vec<f64> {
    hashes(name).take(n).map(|bits| (bits >> 11) as f64 / (1u64 << 52) as f64 - 1.0).collect()
}

/// A tensor of a model, by its name and shape.
pub fn formula(name: &str, shape: &[usize]) -> Vec<f64> {
    let (offset, scale) = match *shape {
        [_, 1, height, width] => (0.0, (6.0 / (height * width) as f64).sqrt()),
        [output, _, height, width] => (0.0, (6.0 / (output * height * width) as f64).sqrt()),
        [_, input] => (0.0, (3.0 / input as f64).sqrt()),
        _ if name.ends_with("running_var") => (1.0, 0.5),
        _ if name.ends_with("bias") || name.ends_with("running_mean") => (0.0, 0.25),
        _ => (1.0, 0.25),
    };
    unit(name, shape.iter().product()).into_iter().map(|u| offset + u * scale).collect()
}
