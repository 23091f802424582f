//! What an administrator sees of the tenant's jobs.

use polder_policy::{Permit, actions};
use polder_types::{Error, JobId, Result};
use uuid::Uuid;

use super::{JobRow, job_columns, job_row};
use crate::{Page, PageRequest, Store, db::sql};

impl Store {
    /// Lists the tenant's jobs, newest first; those that are over for a week.
    ///
    /// # Errors
    /// `Invalid` for a page token of another list.
    pub async fn list_jobs(&self, permit: &Permit<actions::ListJobs>, page: &PageRequest) -> Result<Page<JobRow>> {
        let cursor = self.cursor(permit, "jobs", page)?;
        let after = cursor.after.as_deref().map(str::parse::<JobId>).transpose().map_err(Error::internal)?;
        // Ids begin with the time they were made at.
        let query = sql(concat!(
            "SELECT ",
            job_columns!(),
            " FROM jobs WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
        ));
        let query =
            query.bind(permit.tenant()).bind(after.map_or(Uuid::from_u128(u128::MAX), |id| id.0)).bind(cursor.limit);
        let rows = self.read().await?.rows(query).await?;
        let rows = rows.iter().map(job_row).collect::<Result<Vec<_>>>()?;
        self.page(&cursor, rows, |row| row.id.to_string())
    }
}
