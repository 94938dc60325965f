//! A batch whose entries are answered one by one, over one or more attempts.

/// Why an entry has no answer after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryFailure {
    /// The service throttled the entry, which was not carried out.
    Throttled,
    /// Any other transient failure.
    Failed,
}

/// What an attempt brought for each open entry, in their order.
pub(crate) type EntryResults<A> = Vec<Result<A, EntryFailure>>;

/// How many entries an attempt answered, and how many of the others were throttled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    pub(super) answered: usize,
    pub(super) throttled: usize,
}

/// The entries without an answer, and the answers so far.
#[derive(Debug)]
pub(super) struct Batch<E, A> {
    open: Vec<E>,
    /// Index in the batch of each open entry.
    places: Vec<usize>,
    answers: Vec<Option<A>>,
}

impl<E, A> Batch<E, A> {
    pub(super) fn new(entries: Vec<E>) -> Self {
        let places = (0..entries.len()).collect();
        let answers = entries.iter().map(|_| None).collect();
        Self { open: entries, places, answers }
    }

    /// The entries without an answer.
    pub(super) fn open(&self) -> &[E] {
        &self.open
    }

    /// Takes the results of the open entries; an error, or a missing result, leaves its entry open.
    pub(super) fn settle(&mut self, new: EntryResults<A>) -> Progress {
        let mut progress = Progress { answered: 0, throttled: 0 };
        let open = std::mem::take(&mut self.open);
        let places = std::mem::take(&mut self.places);
        let mut new = new.into_iter();
        for (entry, place) in open.into_iter().zip(places) {
            match new.next().unwrap_or(Err(EntryFailure::Failed)) {
                Ok(answer) => {
                    self.answers[place] = Some(answer);
                    progress.answered += 1;
                }
                Err(why) => {
                    progress.throttled += usize::from(why == EntryFailure::Throttled);
                    self.open.push(entry);
                    self.places.push(place);
                }
            }
        }
        progress
    }

    /// Returns the answers in the order of the entries; all entries must be answered.
    pub(super) fn into_answers(self) -> Vec<A> {
        debug_assert!(self.open.is_empty(), "an entry is still open");
        self.answers.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_entries() {
        let mut batch = Batch::new(vec!['a', 'b', 'c', 'd']);
        let (failed, throttled) = (Err(EntryFailure::Failed), Err(EntryFailure::Throttled));
        let progress = |answered, throttled| Progress { answered, throttled };
        assert_eq!(batch.settle(vec![throttled, Ok(2), failed, Ok(4)]), progress(2, 1));
        assert_eq!(batch.open(), ['a', 'c']);
        assert_eq!(batch.settle(vec![failed, Ok(3)]), progress(1, 0));
        assert_eq!(batch.settle(vec![Ok(1)]), progress(1, 0));
        assert_eq!(batch.into_answers(), [1, 2, 3, 4]);
    }

    #[test]
    fn missing_results_stay_open_and_excess_results_are_ignored() {
        let mut batch = Batch::new(vec!['a', 'b', 'c']);
        assert_eq!(batch.settle(vec![Err(EntryFailure::Failed), Ok(2)]).answered, 1);
        assert_eq!(batch.settle(vec![]).answered, 0);
        assert_eq!(batch.open(), ['a', 'c']);
        assert_eq!(batch.settle(vec![Ok(1), Ok(3), Ok(9)]).answered, 2);
        assert_eq!(batch.into_answers(), [1, 2, 3]);
    }
}
