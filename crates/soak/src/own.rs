//! Tables that only one writer creates, renames and drops: after each restart they must stand exactly where its answers
//! say, or, for the one step of unknown outcome, before or after that step.

use std::collections::BTreeMap;

use rand::{Rng, rngs::StdRng};
use serde_json::json;

use crate::{
    client::{Answer, Client, Reply, Told},
    failure::{Outcome, Why},
    history::Log,
    world::{LAKE, OWN, new_table, table_path},
};

/// How many names a writer has.
const NAMES: usize = 3;

/// A table that stands: its name and UUID.
type Standing = (String, String);

/// What may be done with a table.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Create(String),
    Rename(String),
    Drop,
}

/// What one writer has.
#[derive(Debug, Default)]
pub(crate) struct Own {
    writer: usize,
    held: Option<Standing>,
    /// A step of unknown outcome.
    open: Option<Step>,
}

impl Own {
    pub(crate) fn new(writer: usize) -> Self {
        Self { writer, ..Self::default() }
    }

    fn name(&self, number: usize) -> String {
        format!("w{}_{number}", self.writer)
    }

    /// A step that makes sense now.
    pub(crate) fn next(&self, rng: &mut StdRng) -> Step {
        let name = self.name(rng.random_range(0..NAMES));
        match &self.held {
            None => Step::Create(name),
            Some((stands, _)) if *stands != name && rng.random_bool(0.5) => Step::Rename(name),
            Some(_) => Step::Drop,
        }
    }

    /// The step of this kind that makes sense now, if there is one.
    pub(crate) fn step(&self, kind: &str) -> Option<Step> {
        match (kind, &self.held) {
            ("create", None) => Some(Step::Create(self.name(0))),
            ("rename", Some((stands, _))) => Some(Step::Rename(self.name(usize::from(*stands == self.name(0))))),
            ("drop", Some(_)) => Some(Step::Drop),
            _ => None,
        }
    }

    /// Takes a step and says what was told about it.
    pub(crate) async fn take(&mut self, client: &Client, log: &Log, step: Step) -> Outcome<Told> {
        let reply = match (&step, &self.held) {
            (Step::Create(name), _) => client.post(&format!("{LAKE}/namespaces/{OWN}/tables"), &new_table(name)).await,
            (Step::Rename(to), Some((from, _))) => {
                let ident = |name: &str| json!({"namespace": [OWN], "name": name});
                let body = json!({"source": ident(from), "destination": ident(to)});
                client.post(&format!("{LAKE}/tables/rename"), &body).await
            }
            (Step::Drop, Some((name, _))) => client.delete(&table_path(OWN, name)).await,
            (_, None) => return Err("a step without a table".to_owned()),
        };
        let told = reply.told().map_err(|why| format!("{step:?} of {:?}: {why}", self.held))?;
        match (told, reply) {
            (Told::Done, Reply::Answer(answer)) => {
                self.held = self.after(&step, &answer)?;
                log.answered(answer.request, 1);
            }
            (Told::Unavailable | Told::Conflict, Reply::Answer(answer)) => log.answered(answer.request, 0),
            _ => self.open = Some(step),
        }
        Ok(told)
    }

    fn after(&self, step: &Step, answer: &Answer) -> Outcome<Option<Standing>> {
        match (step, &self.held) {
            (Step::Create(name), _) => {
                let created = answer.json()?;
                let uuid = created.pointer("/metadata/table-uuid").and_then(|uuid| uuid.as_str()).why("a uuid")?;
                Ok(Some((name.clone(), uuid.to_owned())))
            }
            (Step::Rename(to), Some((_, uuid))) => Ok(Some((to.clone(), uuid.clone()))),
            _ => Ok(None),
        }
    }

    /// Compares with what stands, and takes it as the truth from here on.
    pub(crate) fn settle(&mut self, standing: &BTreeMap<String, String>) -> Outcome<()> {
        let names: Vec<String> = (0..NAMES).map(|number| self.name(number)).collect();
        let mine: Vec<Standing> =
            names.into_iter().filter_map(|name| standing.get(&name).map(|uuid| (name.clone(), uuid.clone()))).collect();
        let is = match mine.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            _ => return Err(format!("Torn: one table of a writer stands at several names: {mine:?}")),
        };
        let after = match (&self.open, &self.held, &is) {
            (None, ..) => None,
            (Some(Step::Create(name)), _, Some((stands, uuid))) if name == stands => {
                Some(Some((name.clone(), uuid.clone())))
            }
            (Some(Step::Create(_)), ..) => None,
            (Some(Step::Rename(to)), Some((_, uuid)), _) => Some(Some((to.clone(), uuid.clone()))),
            (Some(_), ..) => Some(None),
        };
        if is != self.held && after.as_ref() != Some(&is) {
            return Err(format!("Lost: {is:?} stands, but answers say {:?}, open is {:?}", self.held, self.open));
        }
        self.held = is;
        self.open = None;
        Ok(())
    }
}

/// Every table of [`OWN`] with its UUID.
pub(crate) async fn standing(client: &Client) -> Outcome<BTreeMap<String, String>> {
    let listed = client.get(&format!("{LAKE}/namespaces/{OWN}/tables")).await.expect(200)?.json()?;
    let mut standing = BTreeMap::new();
    for ident in listed["identifiers"].as_array().why("identifiers")? {
        let name = ident["name"].as_str().why("a name")?;
        let loaded = client.get(&table_path(OWN, name)).await.expect(200)?.json()?;
        let uuid = loaded.pointer("/metadata/table-uuid").and_then(|uuid| uuid.as_str()).why("a uuid")?;
        standing.insert(name.to_owned(), uuid.to_owned());
    }
    Ok(standing)
}

#[cfg(test)]
mod tests;
