use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;

proptest! {
    /// Of the chosen row groups exactly the rows that are not deleted are selected, counted from the file's start.
    #[test]
    fn deleted_rows_are_skipped_wherever_they_lie(
        sizes in vec(0..5_u64, 0..6),
        deleted in subsequence((0..40_u64).collect::<Vec<_>>(), 1..12),
        choice in any::<u8>(),
    ) {
        let chosen: Vec<usize> = (0..sizes.len()).filter(|index| choice & (1 << index) != 0).collect();
        let selection = selection(&sizes, &chosen, &deleted).unwrap().unwrap();
        let mut got = Vec::new();
        for selector in Vec::<RowSelector>::from(selection) {
            got.extend(std::iter::repeat_n(!selector.skip, selector.row_count));
        }
        let mut first = 0;
        let mut expected = Vec::new();
        for (index, size) in sizes.iter().enumerate() {
            if chosen.contains(&index) {
                expected.extend((first..first + size).map(|row| !deleted.contains(&row)));
            }
            first += size;
        }
        // What is not selected at the end may be left out.
        let trimmed = |mut rows: Vec<bool>| { while rows.last() == Some(&false) { rows.pop(); } rows };
        prop_assert_eq!(trimmed(got), trimmed(expected));
    }
}

#[test]
fn without_deletes_everything_is_read() {
    assert!(selection(&[3, 3], &[0, 1], &[]).unwrap().is_none());
}

#[test]
fn row_counts_that_cannot_be_are_an_error() {
    assert!(selection(&[u64::MAX, 2], &[0], &[1]).is_err());
}
