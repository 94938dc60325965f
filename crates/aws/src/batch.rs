//! A batch whose entries are answered one by one, over one or more attempts.

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

    /// Takes the answers to the open entries, in their order; `None`, or a missing answer, leaves its entry open.
    /// Returns how many entries were answered.
    pub(super) fn settle(&mut self, new: Vec<Option<A>>) -> usize {
        let before = self.open.len();
        let open = std::mem::take(&mut self.open);
        let places = std::mem::take(&mut self.places);
        let mut new = new.into_iter();
        for (entry, place) in open.into_iter().zip(places) {
            if let Some(answer) = new.next().flatten() {
                self.answers[place] = Some(answer);
            } else {
                self.open.push(entry);
                self.places.push(place);
            }
        }
        before - self.open.len()
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
        assert_eq!(batch.settle(vec![None, Some(2), None, Some(4)]), 2);
        assert_eq!(batch.open(), ['a', 'c']);
        assert_eq!(batch.settle(vec![None, Some(3)]), 1);
        assert_eq!(batch.settle(vec![Some(1)]), 1);
        assert_eq!(batch.into_answers(), [1, 2, 3, 4]);
    }

    #[test]
    fn missing_results_stay_open_and_excess_results_are_ignored() {
        let mut batch = Batch::new(vec!['a', 'b', 'c']);
        assert_eq!(batch.settle(vec![None, Some(2)]), 1);
        assert_eq!(batch.settle(vec![]), 0);
        assert_eq!(batch.open(), ['a', 'c']);
        assert_eq!(batch.settle(vec![Some(1), Some(3), Some(9)]), 2);
        assert_eq!(batch.into_answers(), [1, 2, 3]);
    }
}
