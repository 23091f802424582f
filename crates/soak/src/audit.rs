//! The audit trail as its reader sees it: every version of every table and namespace has exactly one record, every
//! answered mutation has its records, and no record tells of what did not happen.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::{
    client::Client,
    failure::{Outcome, Why},
    history::Answered,
};

/// Kinds of objects whose versions begin with 1 and grow by one.
const VERSIONED: [&str; 2] = ["table", "namespace"];
/// Records of earlier moments are looked at again, since the clock of a request is that of its arrival.
const OVERLAP_MICROS: u64 = 5_000_000;

/// What was read so far.
#[derive(Default)]
pub(crate) struct Trail {
    seen: HashSet<String>,
    versions: HashMap<String, HashSet<i64>>,
    /// How many records of new versions each request has.
    by_request: HashMap<String, usize>,
    /// Pointers of shared tables that moved since the last check: the table's name, and where to.
    moved: Vec<(String, String)>,
    since: u64,
}

impl Trail {
    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// Reads what is new.
    pub(crate) async fn read(&mut self, admin: &Client) -> Outcome<()> {
        let since = self.since.saturating_sub(OVERLAP_MICROS);
        let mut token = None::<String>;
        loop {
            let mut path = format!("/api/v1/admin/audit?page_size=1000&since={since}");
            if let Some(token) = &token {
                path.push_str("&page_token=");
                path.push_str(token);
            }
            let page = admin.get(&path).await.expect(200)?.json()?;
            for record in page["records"].as_array().why("audit records")? {
                self.take(record)?;
            }
            match page["next_page_token"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, record: &Value) -> Outcome<()> {
        let text = |name: &str| record[name].as_str().why(format!("an audit record's `{name}`"));
        if !self.seen.insert(text("id")?.to_owned()) {
            return Ok(());
        }
        self.since = self.since.max(record["at"].as_u64().unwrap_or_default());
        let Some(version) = record["object_version"].as_i64() else { return Ok(()) };
        let (kind, object, request) = (text("object_kind")?, text("object_id")?, text("request_id")?);
        if !VERSIONED.contains(&kind) {
            return Ok(());
        }
        if !self.versions.entry(format!("{kind} {object}")).or_default().insert(version) {
            return Err(format!("Double: version {version} of {kind} {object} has two audit records"));
        }
        *self.by_request.entry(request.to_owned()).or_default() += 1;
        if let Some(to) = record["detail"]["to"].as_str() {
            self.moved.push((text("object")?.to_owned(), to.to_owned()));
        }
        Ok(())
    }

    /// Every object's versions begin with 1 and have no gap.
    pub(crate) fn check_versions(&self) -> Outcome<()> {
        for (object, versions) in &self.versions {
            let newest = versions.iter().max().copied().unwrap_or_default();
            if newest != i64::try_from(versions.len()).unwrap_or(i64::MAX) || !versions.contains(&1) {
                return Err(format!("Lost: {object} has {} audit records for {newest} versions", versions.len()));
            }
        }
        Ok(())
    }

    /// Every answered mutation has as many records as it must.
    pub(crate) fn check_answers(&mut self, answered: &[Answered]) -> Outcome<()> {
        for Answered { request, records } in answered {
            let has = self.by_request.remove(request).unwrap_or_default();
            if has != *records {
                return Err(format!("Lost: request {request} has {has} audit records of new versions, not {records}"));
            }
        }
        Ok(())
    }

    /// The moves of pointers since the last call.
    pub(crate) fn take_moves(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.moved)
    }
}
