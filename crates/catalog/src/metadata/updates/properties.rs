//! Properties. Those that only mirror the document's own members are refused.

use indexmap::IndexMap;
use polder_types::{Error, Result};

use super::{
    super::{
        doc::Member,
        entries::Property,
        raw::{encode, invalid},
    },
    Draft,
};

/// Java's `TableProperties.RESERVED_PROPERTIES`: engines show them, nobody stores them.
const RESERVED: [&str; 9] = [
    "format-version",
    "uuid",
    "snapshot-count",
    "current-snapshot-summary",
    "current-snapshot-id",
    "current-snapshot-timestamp-ms",
    "current-schema",
    "default-partition-spec",
    "default-sort-order",
];

/// True for a property that mirrors a member of the document.
pub(in super::super) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

impl Draft {
    /// Sets properties.
    pub(super) fn set_properties(&mut self, updates: &IndexMap<String, String>) -> Result<()> {
        if let Some(name) = updates.keys().find(|name| is_reserved(name)) {
            return Err(Error::invalid("reserved_property", format!("the property `{name}` is reserved")));
        }
        let properties = self.properties_mut()?;
        for (name, text) in updates {
            properties.insert(name.clone(), Property { raw: encode(text)?, text: Some(text.clone()) });
        }
        Ok(())
    }

    /// Removes properties; those that do not exist are no error.
    pub(super) fn remove_properties(&mut self, names: &[String]) -> Result<()> {
        let names: std::collections::HashSet<&str> = names.iter().map(String::as_str).collect();
        self.properties_mut()?.retain(|name, _| !names.contains(name.as_str()));
        Ok(())
    }

    fn properties_mut(&mut self) -> Result<&mut IndexMap<String, Property>> {
        let member = self.doc.members.entry("properties".to_owned());
        let member = member.or_insert_with(|| Member::Properties(IndexMap::new()));
        if matches!(member, Member::Raw(_)) {
            *member = Member::Properties(IndexMap::new());
        }
        match member {
            Member::Properties(properties) => Ok(properties),
            _ => Err(invalid("`properties` is not an object")),
        }
    }
}
