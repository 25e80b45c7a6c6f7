//! Where each leader epoch began. Java: `LeaderEpochFileCache`.

/// Epochs in rising order, each with the offset it began at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EpochCache {
    entries: Vec<(i32, i64)>,
}

impl EpochCache {
    /// The entries: epoch and start offset.
    pub fn entries(&self) -> &[(i32, i64)] {
        &self.entries
    }

    /// The newest epoch.
    pub fn latest(&self) -> Option<i32> {
        self.entries.last().map(|(epoch, _)| *epoch)
    }

    /// Notes that an epoch begins at an offset, unless it is known or older than what is known.
    pub fn assign(&mut self, epoch: i32, start_offset: i64) {
        if self.latest().is_some_and(|latest| epoch <= latest) {
            return;
        }
        // An epoch in which nothing was written gives way to the next one at the same offset.
        while self.entries.last().is_some_and(|(_, start)| *start >= start_offset) {
            self.entries.pop();
        }
        self.entries.push((epoch, start_offset));
    }

    /// The epoch and the end offset that OffsetForLeaderEpoch answers with: the requested epoch's own end, or that of the
    /// largest epoch below it. `None`: the epoch is newer than all that are known.
    pub fn end_offset_for(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        if epoch < 0 {
            return None;
        }
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end_offset));
        }
        let above = self.entries.iter().position(|(known, _)| *known > epoch)?;
        let end = self.entries[above].1;
        Some(match above.checked_sub(1) {
            Some(floor) => (self.entries[floor].0, end),
            None => (epoch, end),
        })
    }

    /// The epoch in which the record at an offset was written.
    pub fn epoch_of(&self, offset: i64) -> Option<i32> {
        self.entries.iter().rev().find(|(_, start)| *start <= offset).map(|(epoch, _)| *epoch)
    }

    /// Forgets epochs that begin at or after the new end.
    pub fn truncate_from_end(&mut self, end_offset: i64) {
        self.entries.retain(|(_, start)| *start < end_offset);
    }

    /// Forgets epochs that ended at or before the new start; the one that spans it begins there.
    pub fn truncate_from_start(&mut self, start_offset: i64) {
        if let Some(spanning) = self.entries.iter().rposition(|(_, start)| *start <= start_offset) {
            self.entries.drain(..spanning);
            self.entries[0].1 = start_offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> EpochCache {
        let mut cache = EpochCache::default();
        for (epoch, start) in [(1, 0), (3, 10), (4, 25)] {
            cache.assign(epoch, start);
        }
        cache
    }

    #[test]
    fn an_epochs_end_is_the_next_ones_start() {
        let cache = cache();
        assert_eq!(cache.end_offset_for(1, 30), Some((1, 10)));
        assert_eq!(cache.end_offset_for(3, 30), Some((3, 25)));
        assert_eq!(cache.end_offset_for(4, 30), Some((4, 30)));
        // Never seen here: the largest one below.
        assert_eq!(cache.end_offset_for(2, 30), Some((1, 10)));
        // Below all: itself, up to the first.
        assert_eq!(cache.end_offset_for(0, 30), Some((0, 0)));
        assert_eq!(cache.end_offset_for(5, 30), None);
        assert_eq!(cache.end_offset_for(-1, 30), None);
    }

    #[test]
    fn truncation_forgets_what_is_cut() {
        let mut cut = cache();
        cut.truncate_from_end(25);
        assert_eq!(cut.entries(), [(1, 0), (3, 10)]);
        let mut cut = cache();
        cut.truncate_from_start(12);
        assert_eq!(cut.entries(), [(3, 12), (4, 25)]);
        assert_eq!(cache().epoch_of(24), Some(3));
    }

    #[test]
    fn an_empty_epoch_is_replaced() {
        let mut cache = cache();
        cache.assign(5, 25);
        assert_eq!(cache.entries(), [(1, 0), (3, 10), (5, 25)]);
    }
}
