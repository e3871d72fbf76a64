//! How many tiles stand in a row: as many as fit, but so that the last row is as full as the others.

/// Near `wanted`, at most `most`: the least empty places in the last row, then the nearest to `wanted`, then the wider.
pub(crate) fn columns(count: usize, wanted: usize, most: usize) -> usize {
    let wanted = wanted.clamp(1, most);
    if count <= wanted {
        return count.max(1);
    }
    let empty = |columns: usize| count.next_multiple_of(columns) - count;
    let least = (wanted / 2).max(2).min(most);
    let near = least..=(wanted + wanted / 2).min(most);
    near.min_by_key(|&columns| (empty(columns), wanted.abs_diff(columns), most - columns)).unwrap_or(wanted)
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn last_rows_are_even() {
        for (count, wanted, expected) in [
            (24, 8, 8),
            (24, 7, 8),
            (24, 4, 4),
            (16, 6, 8),
            (12, 5, 6),
            (20, 6, 5),
            (7, 8, 7),
            (5, 3, 3),
            (13, 5, 7),
        ] {
            assert_eq!(columns(count, wanted, 8), expected, "{count} tiles, {wanted} wanted");
        }
        assert_eq!((columns(0, 1, 8), columns(1, 9, 8), columns(9, 2, 2)), (1, 1, 2));
    }
}
