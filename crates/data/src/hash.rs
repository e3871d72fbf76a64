//! A fast hash of bytes.

/// 128 bits of some bytes, eight at a time: each step is a bijection of the state, so one changed word changes the hash.
/// Not for use against somebody who looks for collisions.
pub fn hash(bytes: &[u8], start: u128) -> u128 {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    let mix = |state: u128, word: u64| {
        let state = (state ^ u128::from(word)).wrapping_mul(ODD);
        state ^ (state >> 67)
    };
    let words = bytes.chunks_exact(8);
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    let state = words
        .fold(start, |state, word| mix(state, u64::from_le_bytes(word.try_into().expect("eight bytes"))));
    mix(mix(mix(state, u64::from_le_bytes(last)), bytes.len() as u64), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_differ_by_every_byte_and_the_length() {
        let bytes: Vec<u8> = (0..37).collect();
        let mut seen =
            std::collections::HashSet::from([hash(&bytes, 0), hash(&bytes[..36], 0), hash(&bytes, 1)]);
        for at in 0..37 {
            let mut other = bytes.clone();
            other[at] ^= 128;
            seen.insert(hash(&other, 0));
        }
        seen.insert(hash(&[&bytes[..], &[0]].concat(), 0));
        assert_eq!(seen.len(), 41);
    }
}
