//! What the SQL planner may ask for: the tables that were resolved for this caller, and the functions of the
//! allow-list. Nothing else exists for it: no catalog, no table functions, no variables, no file types.

use std::{collections::HashMap, sync::Arc};

use datafusion::{
    arrow::datatypes::{DataType, SchemaRef},
    catalog::cte_worktable::CteWorkTable,
    common::{TableReference, config::ConfigOptions},
    datasource::provider_as_source,
    error::Result,
    execution::SessionState,
    logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF, planner::ExprPlanner},
    sql::planner::ContextProvider,
};

use crate::{
    error::{carry, unknown_table},
    functions::FUNCTIONS,
    gate::{DOT, LEVEL_SEPARATOR, RelationName},
    govern::GovernedTable,
};

/// The world of one statement.
pub(crate) struct StatementContext<'a> {
    /// For its expression planners and options only.
    pub(crate) state: &'a SessionState,
    /// What was resolved, by the name as written.
    pub(crate) tables: &'a HashMap<RelationName, Arc<GovernedTable>>,
}

/// The parts of a planner's name, deep namespaces taken apart again.
fn parts(name: &TableReference) -> RelationName {
    [name.catalog(), name.schema(), Some(name.table())]
        .into_iter()
        .flatten()
        .flat_map(|part| part.split(LEVEL_SEPARATOR).map(str::to_owned))
        .collect()
}

impl ContextProvider for StatementContext<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let name = parts(&name);
        match self.tables.get(&name) {
            Some(table) => Ok(provider_as_source(table.clone())),
            // SECURITY: absent, invisible and blocked tables are one case (R22).
            None => Err(carry(unknown_table(&name.join(".").replace(DOT, ".")))),
        }
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        FUNCTIONS.scalar.get(name).cloned()
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        FUNCTIONS.aggregate.get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        FUNCTIONS.window.get(name).cloned()
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        FUNCTIONS.scalar.keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        FUNCTIONS.aggregate.keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        FUNCTIONS.window.keys().cloned().collect()
    }
}
