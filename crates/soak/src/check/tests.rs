//! The checker finds each class of bug in histories that a deliberately broken product would leave, and none in good ones.

use super::*;

/// Two tables, every operation of writer 1, all sets; time is the order of the calls.
struct Model {
    ops: Vec<Op>,
    versions: Vec<Vec<Version>>,
    reads: Vec<Read>,
    time: u64,
}

impl Model {
    fn new() -> Self {
        Self { ops: Vec::new(), versions: vec![Vec::new(); 2], reads: Vec::new(), time: 0 }
    }

    fn tick(&mut self) -> u64 {
        self.time += 1;
        self.time
    }

    /// An operation that was begun.
    fn begin(&mut self, tables: &[usize]) -> OpId {
        let started = self.tick();
        let (tables, fate) = (tables.to_vec(), Fate::Unknown);
        self.ops.push(Op { writer: 1, tables, effect: Effect::Set, started, ended: None, fate });
        self.ops.len() - 1
    }

    fn end(&mut self, op: OpId, fate: Fate) {
        self.ops[op].ended = Some(self.tick());
        self.ops[op].fate = fate;
    }

    /// The version that an operation would rightly make.
    fn apply(&mut self, op: OpId, table: usize) -> String {
        let position = self.versions[table].len() + 1;
        let location = format!("{table}/{position}");
        let mut version = self.versions[table].last().cloned().unwrap_or_default();
        version.location.clone_from(&location);
        version.properties.insert(LAST.to_owned(), op.to_string());
        match self.ops[op].effect {
            Effect::Set => drop(version.properties.insert(writer_property(1), op.to_string())),
            Effect::Append { snapshot, .. } => version.main = Some(snapshot),
        }
        self.versions[table].push(version);
        location
    }

    fn done(&mut self, tables: &[usize]) -> OpId {
        let op = self.begin(tables);
        let locations = tables.iter().map(|table| self.apply(op, *table)).collect();
        self.end(op, Fate::Done(locations));
        op
    }

    fn read(&mut self, table: usize, position: usize) {
        let (started, ended) = (self.tick(), self.tick());
        let last = position.checked_sub(1).and_then(|index| self.versions[table][index].last());
        self.reads.push(Read { table, started, ended, location: format!("{table}/{position}"), last });
    }

    fn classes(&self) -> Vec<Class> {
        let first = |table| Version { location: format!("{table}/0"), ..Version::default() };
        let mut chains = [Chain::new(first(0)), Chain::new(first(1))];
        let fresh: Vec<OpId> = (0..self.ops.len()).collect();
        let batch =
            Batch { ops: &self.ops, fresh: &fresh, reads: &self.reads, began: 0, versions: self.versions.clone() };
        let mut classes: Vec<Class> = check(&mut chains, batch).iter().map(|finding| finding.class).collect();
        classes.dedup();
        classes
    }
}

#[test]
fn a_good_history_has_no_bug() {
    let mut model = Model::new();
    model.read(0, 0);
    model.done(&[0]);
    model.done(&[0, 1]);
    model.read(0, 2);
    let unknown = model.begin(&[1]);
    model.apply(unknown, 1);
    model.begin(&[1]);
    let refused = model.begin(&[0]);
    model.end(refused, Fate::Refused(409));
    assert_eq!(model.classes(), []);
}

#[test]
fn an_answered_commit_that_is_nowhere_is_lost() {
    let mut model = Model::new();
    let op = model.begin(&[0]);
    model.end(op, Fate::Done(vec!["0/1".to_owned()]));
    assert_eq!(model.classes(), [Class::Lost]);
}

#[test]
fn an_effect_that_a_later_commit_wiped_out_is_lost() {
    let mut model = Model::new();
    model.done(&[0]);
    model.ops.push(Op { writer: 2, ..model.ops[0].clone() });
    let version = model.versions[0][0].clone();
    // Writer 2 built on the version before writer 1's.
    let mut wrong = Version { location: "0/2".to_owned(), ..version };
    wrong.properties = [(LAST.to_owned(), "1".to_owned()), (writer_property(2), "1".to_owned())].into();
    model.versions[0].push(wrong);
    model.ops[1].fate = Fate::Unknown;
    assert_eq!(model.classes(), [Class::Lost]);
}

#[test]
fn an_append_on_another_head_lost_the_one_between() {
    let mut model = Model::new();
    for snapshot in [7, 8] {
        let op = model.begin(&[0]);
        model.ops[op].effect = Effect::Append { snapshot, parent: None };
        let location = model.apply(op, 0);
        model.end(op, Fate::Done(vec![location]));
    }
    assert_eq!(model.classes(), [Class::Lost]);
}

#[test]
fn what_was_refused_or_done_by_nobody_is_a_ghost() {
    let mut model = Model::new();
    let op = model.begin(&[0]);
    model.apply(op, 0);
    model.end(op, Fate::Refused(503));
    assert_eq!(model.classes(), [Class::Ghost]);

    let mut model = Model::new();
    model.done(&[0]);
    model.versions[0][0].properties.remove(LAST);
    // Nobody made the version, so the commit that was answered is lost as well.
    assert_eq!(model.classes(), [Class::Ghost, Class::Lost]);

    let mut model = Model::new();
    let op = model.begin(&[0]);
    model.apply(op, 0);
    model.end(op, Fate::Done(vec!["0/9".to_owned()]));
    assert_eq!(model.classes(), [Class::Ghost]);

    let mut model = Model::new();
    model.done(&[0]);
    model.read(0, 1);
    model.reads[0].location = "0/never".to_owned();
    assert_eq!(model.classes(), [Class::Ghost]);

    let mut model = Model::new();
    model.done(&[0]);
    model.read(0, 1);
    model.reads[0].location = "0/0".to_owned();
    // The document of one version under the name of another; and that name is too old.
    assert_eq!(model.classes(), [Class::Ghost, Class::Stale]);
}

#[test]
fn a_read_that_does_not_see_an_answered_commit_is_stale() {
    let mut model = Model::new();
    model.done(&[0]);
    model.read(0, 0);
    assert_eq!(model.classes(), [Class::Stale]);

    let mut model = Model::new();
    model.done(&[0]);
    model.done(&[0]);
    model.read(0, 2);
    model.read(0, 1);
    assert_eq!(model.classes(), [Class::Stale]);
}

#[test]
fn a_read_while_a_commit_runs_may_see_it_or_not() {
    for position in [0, 1] {
        let mut model = Model::new();
        let op = model.begin(&[0]);
        let location = model.apply(op, 0);
        model.read(0, position);
        model.end(op, Fate::Done(vec![location]));
        assert_eq!(model.classes(), []);
    }
}

#[test]
fn a_commit_before_one_that_was_answered_earlier_is_stale() {
    let mut model = Model::new();
    let first = model.begin(&[0]);
    model.end(first, Fate::Done(vec!["0/2".to_owned()]));
    let second = model.begin(&[0]);
    model.apply(second, 0);
    model.apply(first, 0);
    model.end(second, Fate::Done(vec!["0/1".to_owned()]));
    assert_eq!(model.classes(), [Class::Stale]);
}

#[test]
fn a_transaction_in_some_of_its_tables_is_torn() {
    let mut model = Model::new();
    let op = model.begin(&[0, 1]);
    model.apply(op, 0);
    assert_eq!(model.classes(), [Class::Torn]);
    model.end(op, Fate::Done(Vec::new()));
    assert_eq!(model.classes(), [Class::Torn]);
}

#[test]
fn a_commit_that_made_two_versions_is_double() {
    let mut model = Model::new();
    let op = model.begin(&[0]);
    model.apply(op, 0);
    model.apply(op, 0);
    model.end(op, Fate::Done(vec!["0/2".to_owned()]));
    assert!(model.classes().contains(&Class::Double));
}

/// An outcome that was unknown at one check may land until a later one, and is judged then.
#[test]
fn what_lands_late_is_judged_when_it_does() {
    let mut model = Model::new();
    let late = model.begin(&[0, 1]);
    let mut chains = [0, 1].map(|table| Chain::new(Version { location: format!("{table}/0"), ..Version::default() }));
    let mut look = |model: &Model, began| {
        let versions = model.versions.clone();
        let batch = Batch { ops: &model.ops, fresh: &[0], reads: &[], began, versions };
        check(&mut chains, batch)
    };
    assert!(look(&model, 0).is_empty());
    model.apply(late, 0);
    let found = look(&model, 10);
    assert_eq!(found.iter().map(|finding| finding.class).collect::<Vec<_>>(), [Class::Torn]);
}

#[test]
fn a_commit_that_was_seen_in_one_table_and_then_not_in_another_is_torn() {
    let mut model = Model::new();
    let op = model.begin(&[0, 1]);
    let locations = [0, 1].map(|table| model.apply(op, table)).to_vec();
    model.read(0, 1);
    model.read(1, 0);
    model.end(op, Fate::Done(locations.clone()));
    assert_eq!(model.classes(), [Class::Torn]);
    // The other way round nothing is known of the second table yet, and an outcome that nobody was told may be seen too.
    model.reads.clear();
    model.time = 0;
    model.ops[op].started = 0;
    model.read(1, 0);
    model.read(0, 1);
    model.read(1, 1);
    model.ops[op].ended = None;
    model.ops[op].fate = Fate::Unknown;
    assert_eq!(model.classes(), []);
}
