//! New views. Refuses what a commit would refuse, since it ends in the same updates.

use indexmap::IndexMap;
use polder_types::{Location, Micros, Result, rest::CreateViewRequest};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{
    super::raw::{PART_DEPTH_MAX, Raw, check_json, with_member},
    ViewDoc,
    updates::{ViewUpdate, apply},
    version::about_a_view,
};

/// Makes the first document of a view: schema 0 with the client's field ids, and the client's version with that schema.
///
/// `location`: as it will be written; [`Location::parse`] has passed it.
///
/// # Errors
/// `Invalid` for a schema, version or location that a commit would refuse too.
pub fn create(request: &CreateViewRequest, view_uuid: Uuid, location: &str, now: Micros) -> Result<ViewDoc> {
    Location::parse(location)?;
    // “Will replace the schema-id sent within the view-version with the id assigned to the provided schema.”
    let version = with_member(checked(&request.view_version)?, "schema-id", &-1).map_err(about_a_view)?;
    let mut updates = vec![
        ViewUpdate::AssignUuid(view_uuid.to_string()),
        ViewUpdate::SetLocation(location.to_owned()),
        ViewUpdate::AddSchema(Raw::from(checked(&request.schema)?.to_owned())),
    ];
    if let Some(properties) = &request.properties {
        let properties: IndexMap<_, _> = properties.iter().map(|(name, text)| (name.clone(), text.clone())).collect();
        updates.push(ViewUpdate::SetProperties(properties));
    }
    updates.extend([ViewUpdate::AddViewVersion(version), ViewUpdate::SetCurrentViewVersion(-1)]);
    apply(None, &updates, now)
}

fn checked(raw: &RawValue) -> Result<&RawValue> {
    check_json(raw.get().as_bytes(), PART_DEPTH_MAX).map_err(about_a_view)?;
    Ok(raw)
}
