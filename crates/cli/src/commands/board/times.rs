//! Times as people say them, coarse, so that a page changes no oftener than what it tells.

use std::time::{Duration, SystemTime};
use tallow_data::counted;

/// `2026-11-30 02:13 UTC`
pub fn utc(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", rest / 3600, rest / 60 % 60)
}

/// Of days since 1970-01-01 (Hinnant, days_from_civil's inverse): years begin in March, so that the leap day is the last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// `less than a minute ago`, `3 min ago`, `5 h ago`, `2 days ago`
pub fn ago(time: Duration) -> String {
    match time.as_secs() {
        0..60 => "less than a minute ago".to_owned(),
        seconds @ 60..5400 => format!("{} min ago", seconds / 60),
        seconds @ 5400..129_600 => format!("{} h ago", (seconds + 1800) / 3600),
        seconds => format!("{} ago", counted((seconds + 43_200) / 86_400, "day")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let of = |seconds| utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(of(0), "1970-01-01 00:00 UTC");
        assert_eq!(of(951_782_399), "2000-02-28 23:59 UTC");
        assert_eq!(of(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(of(1_796_004_780), "2026-11-30 02:13 UTC");
        assert_eq!(of(4_107_542_400), "2100-03-01 00:00 UTC");
    }

    #[test]
    fn how_long_ago() {
        let of = |seconds| ago(Duration::from_secs(seconds));
        assert_eq!(
            [5, 60, 3599, 7200, 86_400, 300_000].map(of),
            ["less than a minute ago", "1 min ago", "59 min ago", "2 h ago", "24 h ago", "3 days ago"]
        );
    }
}
