//! What memory this machine has left, where the system says so: Linux; and what room a disk has.

use std::path::{Path, PathBuf};

/// Bytes that a process can still take: what the system has, or what its control groups leave it, whichever is less.
pub fn available() -> Option<u64> {
    let of_system =
        std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| kilobytes(&text, "MemAvailable:"));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = folders(&groups).into_iter().filter_map(|folder| left(&folder));
    of_system.into_iter().chain(of_groups).min()
}

/// Bytes that the system has in all.
pub fn total() -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")
}

/// Bytes of this process that are in memory.
pub fn resident() -> Option<u64> {
    kilobytes(&std::fs::read_to_string("/proc/self/status").ok()?, "VmRSS:")
}

/// Bytes that this user may still write where a folder is.
#[cfg(unix)]
pub fn free_on_disk(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Bytes that this user may still write where a folder is: not asked here.
#[cfg(not(unix))]
pub fn free_on_disk(_: &Path) -> Option<u64> {
    None
}

/// The number behind a name of `/proc`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// The folders of a process's control groups and of those around them, of both versions.
fn folders(groups: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut found = Vec::new();
    for line in groups.lines() {
        // `0::/user.slice`, or `5:memory:/docker/…`
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let base = match controllers {
            "" => root.to_owned(),
            names if names.split(',').any(|name| name == "memory") => root.join("memory"),
            _ => continue,
        };
        let inner = Path::new(path.trim_start_matches('/'));
        found.extend(inner.ancestors().map(|above| base.join(above)));
    }
    found
}

/// What a control group leaves: its limit less what it has, but for files that would make room.
fn left(folder: &Path) -> Option<u64> {
    let number =
        |name: &str| -> Option<u64> { std::fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok() };
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = ["inactive_file ", "total_inactive_file "]
        .iter()
        .filter_map(|name| stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse::<u64>().ok());
    Some(limit.saturating_sub(used.saturating_sub(files.max().unwrap_or(0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_proc_are_read() {
        let text = "MemTotal:  16 kB\nMemAvailable:    8123456 kB\n";
        assert_eq!(kilobytes(text, "MemAvailable:"), Some(8123456 * 1024));
        assert_eq!(kilobytes(text, "VmRSS:"), None);
    }

    #[test]
    fn limits_of_groups_are_read() {
        let of = |text| folders(text).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(of("0::/a/b\n"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup/"]);
        assert_eq!(of("5:cpu:/x\n4:pids,memory:/x\n"), ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory/"]);
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("memory.current", "700\n");
        // No limit.
        write("memory.max", "max\n");
        assert_eq!(left(folder.path()), None);
        write("memory.max", "1000\n");
        assert_eq!(left(folder.path()), Some(300));
        write("memory.stat", "anon 600\ninactive_file 50\n");
        assert_eq!(left(folder.path()), Some(350));
        write("memory.max", "600\n");
        assert_eq!(left(folder.path()), Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_what_it_has() {
        assert!(available().unwrap() > 1 << 20);
        assert!(resident().unwrap() > 1 << 20);
    }
}
