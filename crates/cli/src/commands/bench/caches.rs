//! How much the caches hold.

use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of the last level, all its caches together, as Linux tells it; `None` elsewhere.
pub fn last_level() -> Option<u64> {
    let mut caches = BTreeMap::new();
    for processor in std::fs::read_dir("/sys/devices/system/cpu").ok()?.flatten() {
        let Ok(entries) = std::fs::read_dir(processor.path().join("cache")) else { continue };
        let found = entries.flatten().filter_map(|entry| cache(&entry.path()));
        caches.extend(found.map(|(level, sharers, bytes)| ((level, sharers), bytes)));
    }
    let last = caches.keys().map(|(level, _)| *level).max()?;
    Some(caches.iter().filter(|((level, _), _)| *level == last).map(|(_, bytes)| bytes).sum())
}

/// Level, the processors that share it, bytes.
fn cache(place: &Path) -> Option<(u32, String, u64)> {
    let read = |name: &str| Some(std::fs::read_to_string(place.join(name)).ok()?.trim().to_owned());
    Some((read("level")?.parse().ok()?, read("shared_cpu_list")?, bytes(&read("size")?)?))
}

/// `32768K` → 33554432.
fn bytes(text: &str) -> Option<u64> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[at..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => return None,
    };
    text[..at].parse::<u64>().ok()?.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        let found = ["64K", "32768K", "2M", "512", "K", "3T"].map(bytes);
        assert_eq!(found, [Some(65536), Some(33_554_432), Some(2_097_152), Some(512), None, None]);
    }
}
