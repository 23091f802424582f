//! IDs, ranges and lists are read as people write them. The numbers here are strings, so that none counts as named.

use std::collections::BTreeSet;

use super::{Id, defined, named};

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn names(text: &str, known: &[&str]) -> Vec<String> {
    let known: BTreeSet<Id> = known.iter().map(|k| id(k)).collect();
    named(text, &known).into_iter().map(|(id, line)| format!("{id}@{line}")).collect()
}

#[test]
fn an_id_is_written_one_way_only() {
    for bad in ["A-1", "A-0001", "A001", "R-1", "R123", "B-001", "", "F"] {
        assert!(bad.parse::<Id>().is_err(), "{bad}");
    }
    for good in ["A-001", "S-093", "R1", "R39", "F7"] {
        assert_eq!(id(good).to_string(), good);
    }
}

#[test]
fn ids_sort_by_number() {
    assert!(id("R2") < id("R10") && id("A-099") < id("A-100"));
}

#[test]
fn lists_name_each_and_ranges_name_what_is_known_between() {
    assert_eq!(names("A-001, R22:\nS-010", &[]), ["A-001@1", "R22@1", "S-010@2"]);
    let known = ["A-046", "A-047", "A-048", "A-049", "A-050"];
    for range in ["A-046 … A-049", "A-046–A-049", "A-046..A-049", "A-046 - A-049", "A-046-A-049", "A-046 to A-049"]
    {
        assert_eq!(names(range, &known), ["A-046@1", "A-047@1", "A-048@1", "A-049@1"], "{range}");
    }
    assert_eq!(names("A-046 and A-049", &known), ["A-046@1", "A-049@1"]);
}

#[test]
fn parts_of_other_words_are_not_ids() {
    assert!(names("SHA-001 UTF-8 xR22 R22x R_1 R2D2 CVE-A-0011 F1F", &[]).is_empty());
}

#[test]
fn a_table_defines_first_cells_and_ids_with_a_colon_but_not_mentions() {
    let table = "| ID | Requirement |\n|---|---|\n| A-103 | One. A-104: two, see A-020. |\n| R1 | class (A-001) |\nA-900: prose\n";
    let ids: Vec<String> = defined(table).keys().map(ToString::to_string).collect();
    assert_eq!(ids, ["A-103", "A-104", "R1"]);
}
