//! F13: random commits on references, snapshots, statistics and properties against a small model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{TableDoc, add, commit, point, snapshot, valid, value};

#[derive(Clone, Debug)]
enum Op {
    Add,
    Point { name: usize, tag: bool, snapshot: usize },
    RemoveRef(usize),
    RemoveSnapshots(Vec<usize>),
    SetStatistics(usize),
    RemoveStatistics(usize),
    SetProperty(usize, u8),
    RemoveProperty(usize),
}

const REFS: [&str; 4] = ["main", "main", "dev", "v1"];
const PROPERTIES: [&str; 3] = ["a", "b", "write.format.default"];

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => Just(Op::Add),
        5 => (0..4_usize, prop::bool::weighted(0.2), 0..12_usize)
            .prop_map(|(name, tag, snapshot)| Op::Point { name, tag, snapshot }),
        1 => (0..4_usize).prop_map(Op::RemoveRef),
        1 => prop::collection::vec(0..12_usize, 0..4).prop_map(Op::RemoveSnapshots),
        1 => (0..12_usize).prop_map(Op::SetStatistics),
        1 => (0..12_usize).prop_map(Op::RemoveStatistics),
        1 => (0..3_usize, any::<u8>()).prop_map(|(name, text)| Op::SetProperty(name, text)),
        1 => (0..3_usize).prop_map(Op::RemoveProperty),
    ]
}

/// What a table is, as slowly and plainly as can be.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    snapshots: Vec<i64>,
    refs: BTreeMap<String, (bool, i64)>,
    history: Vec<i64>,
    statistics: BTreeSet<i64>,
    properties: BTreeMap<String, String>,
    /// Every snapshot ever added, so that ids can name one that is gone.
    ever: Vec<i64>,
}

impl Model {
    fn current(&self) -> Option<i64> {
        self.refs.get("main").map(|(_, id)| *id)
    }

    fn pick(&self, index: usize) -> i64 {
        self.ever.get(index % (self.ever.len() + 1)).copied().unwrap_or(999_999)
    }

    /// The next table and the updates that lead to it, or the updates alone if they must be refused.
    fn commit(&self, ops: &[Op]) -> (Option<Self>, Vec<Value>) {
        let (mut next, mut updates, mut refused) = (self.clone(), Vec::new(), false);
        let before: BTreeSet<i64> = self.snapshots.iter().copied().collect();
        for op in ops {
            refused |= !next.step(op, &mut updates);
        }
        let current = next.current();
        // An entry of a snapshot that is gone takes everything before it along.
        if let Some(gap) = next.history.iter().rposition(|id| !next.snapshots.contains(id)) {
            next.history.drain(..=gap);
        }
        // Snapshots that this commit added, and `main` left again before its end, were never current.
        next.history.retain(|id| before.contains(id) || Some(*id) == current);
        ((!refused).then_some(next), updates)
    }

    /// Applies one operation; false if it must be refused.
    fn step(&mut self, op: &Op, updates: &mut Vec<Value>) -> bool {
        match op {
            Op::Add => {
                let id = 100 + i64::try_from(self.ever.len()).unwrap();
                updates.push(add(snapshot(id, self.current(), id, 1_700_000_000_000 + id)));
                self.snapshots.push(id);
                self.ever.push(id);
                true
            }
            Op::Point { name, tag, snapshot } => self.point(REFS[*name], *tag, self.pick(*snapshot), updates),
            Op::RemoveRef(name) => {
                updates.push(json!({"action": "remove-snapshot-ref", "ref-name": REFS[*name]}));
                self.remove_ref(REFS[*name]);
                true
            }
            Op::RemoveSnapshots(picks) => {
                let ids: Vec<i64> = picks.iter().map(|pick| self.pick(*pick)).collect();
                updates.push(json!({"action": "remove-snapshots", "snapshot-ids": ids}));
                let ids: Vec<i64> = ids.into_iter().filter(|id| self.snapshots.contains(id)).collect();
                self.snapshots.retain(|id| !ids.contains(id));
                self.statistics.retain(|id| !ids.contains(id));
                let dangling: Vec<String> =
                    self.refs.iter().filter(|(_, (_, id))| ids.contains(id)).map(|(name, _)| name.clone()).collect();
                dangling.iter().for_each(|name| self.remove_ref(name));
                true
            }
            Op::SetStatistics(pick) => {
                let id = self.pick(*pick);
                updates.push(json!({"action": "set-statistics",
                    "statistics": {"snapshot-id": id, "statistics-path": format!("s3://s/{id}")}}));
                self.statistics.insert(id);
                true
            }
            Op::RemoveStatistics(pick) => {
                updates.push(json!({"action": "remove-statistics", "snapshot-id": self.pick(*pick)}));
                self.statistics.remove(&self.pick(*pick));
                true
            }
            Op::SetProperty(name, text) => {
                updates.push(json!({"action": "set-properties", "updates": {PROPERTIES[*name]: text.to_string()}}));
                self.properties.insert(PROPERTIES[*name].to_owned(), text.to_string());
                true
            }
            Op::RemoveProperty(name) => {
                updates.push(json!({"action": "remove-properties", "removals": [PROPERTIES[*name]]}));
                self.properties.remove(PROPERTIES[*name]);
                true
            }
        }
    }

    fn point(&mut self, name: &str, tag: bool, id: i64, updates: &mut Vec<Value>) -> bool {
        updates.push(point(name, if tag { "tag" } else { "branch" }, id));
        if !self.snapshots.contains(&id) || (tag && name == "main") {
            return false;
        }
        if name == "main" && self.current() != Some(id) {
            self.history.push(id);
        }
        self.refs.insert(name.to_owned(), (tag, id));
        true
    }

    fn remove_ref(&mut self, name: &str) {
        self.refs.remove(name);
    }

    /// What a document says, in the model's words.
    fn of(doc: &TableDoc, ever: Vec<i64>) -> Self {
        let kind = |kind| kind == crate::metadata::RefKind::Tag;
        let refs = doc.refs().into_iter();
        let model = Self {
            snapshots: doc.snapshots().iter().map(|snapshot| snapshot.snapshot_id).collect(),
            refs: refs.map(|(name, to)| (name.to_owned(), (kind(to.kind), to.snapshot_id))).collect(),
            history: doc.snapshot_log().iter().map(|step| step.snapshot_id).collect(),
            statistics: doc.statistics().iter().map(|file| file.snapshot_id).collect(),
            properties: doc.properties().map(|(name, text)| (name.to_owned(), text.to_owned())).collect(),
            ever,
        };
        assert_eq!(doc.current_snapshot_id(), model.current(), "`current-snapshot-id` follows `main`");
        model
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// F13: after any commits, document and model agree; what the model refuses is refused.
    #[test]
    fn random_commits_agree_with_the_model(commits in prop::collection::vec(prop::collection::vec(op(), 1..7), 1..12)) {
        let mut document = value(&valid("V2ValidMinimal"));
        (document["x-unknown"], document["last-sequence-number"]) = (json!({"kept": [1]}), 0.into());
        let mut doc = super::parse(&document).unwrap();
        let mut model = Model::default();
        for ops in &commits {
            let (next, updates) = model.commit(ops);
            match (next, commit(&doc, updates.clone().into())) {
                (Some(next), Ok(after)) => {
                    prop_assert_eq!(&Model::of(&after, next.ever.clone()), &next, "{:?}", updates);
                    let times: Vec<i64> = after.snapshot_log().iter().map(|step| step.timestamp_ms).collect();
                    prop_assert!(times.is_sorted());
                    prop_assert_eq!(&value(&after)["x-unknown"], &document["x-unknown"]);
                    doc = TableDoc::parse(&after.to_bytes()).unwrap();
                    model = next;
                }
                (None, Err(_)) => {}
                (wanted, got) => {
                    let got = got.map(|_| ());
                    prop_assert!(false, "wanted {}, got {:?} for {:?}", wanted.is_some(), got, updates);
                }
            }
        }
    }
}
