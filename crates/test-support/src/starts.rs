//! How deliveries stay within a rate limit and use it, by their starts: ms since the epoch, in order.

/// Length of the window in which a limit holds, ms.
const WINDOW: u64 = 10_000;

/// Not measured at the beginning, while senders start, and at the end, when less work than the limit is queued; ms.
const MARGIN: u64 = 5_000;

/// Returns the most parts that began within any ten seconds, with messages of this number of parts.
pub fn most_parts_in_ten_seconds(starts: &[u64], parts: u32) -> usize {
    let until = |from: u64| starts.partition_point(|at| *at < from + WINDOW);
    let most = starts.iter().enumerate().map(|(index, from)| until(*from) - index).max().unwrap_or(0);
    most * parts as usize
}

/// Returns the parts that may begin within any ten seconds at this limit, parts a second, with messages of this number of parts
/// and a burst of one second, plus a hundredth for the times in the table.
pub fn parts_allowed_in_ten_seconds(limit: f64, parts: u32) -> f64 {
    (11.0 * limit + f64::from(parts) - 1.0) * 1.01
}

/// Returns the share of this limit, parts a second, that was used from five seconds after the first start until five
/// seconds before the last, by messages of this number of parts. One message more or less does not count. Panics if they
/// began within ten seconds.
pub fn share_used(starts: &[u64], limit: f64, parts: u32) -> f64 {
    let (from, to) = (starts[0] + MARGIN, starts[starts.len() - 1] - MARGIN);
    assert!(from < to, "the deliveries began within {} ms", 2 * MARGIN);
    let begun = starts.iter().filter(|at| (from..to).contains(*at)).count() + 1;
    begun as f64 * f64::from(parts) / (limit * (to - from) as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_shares_are_counted_from_each_start() {
        // Two a second for 30 s, and four more at once after 20 s.
        let mut starts: Vec<u64> = (0..60).map(|number| number * 500).collect();
        starts.extend([20_100; 4]);
        starts.sort_unstable();
        assert_eq!(most_parts_in_ten_seconds(&starts, 1), 24);
        assert_eq!(most_parts_in_ten_seconds(&[], 1), 0);
        assert!((share_used(&starts, 2.0, 1) - (39.0 + 4.0 + 1.0) / 39.0).abs() < 1e-9);
        assert!((share_used(&starts, 2.0, 3) - 3.0 * 44.0 / 39.0).abs() < 1e-9);
        assert!((parts_allowed_in_ten_seconds(100.0, 3) - 1_113.02).abs() < 1e-9);
    }
}
