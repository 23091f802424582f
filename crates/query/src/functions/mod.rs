//! The functions that a query may call: an allow-list over the engine's own, and those of them that make long values
//! wrapped with bounds.
//!
//! Refuses what discloses the engine or reads anything but its arguments (`version`, `input_file_name`, `arrow_*`), what
//! differs from call to call (`random`, `uuid`), and table functions.

mod bound;
mod pattern;
mod size;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock},
};

use datafusion::{
    common::tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    execution::SessionStateDefaults,
    logical_expr::{
        AggregateUDF, BinaryExpr, Expr, LogicalPlan, Operator, ScalarUDF, WindowUDF, expr::ScalarFunction,
        expr_rewriter::NamePreserver,
    },
};

use bound::{Bound, Bounded};
pub(crate) use size::value_bytes;

use crate::watch::Watch;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value from values, `unnest` too.
    Scalar,
    /// Rows into one value, or a window.
    Rows,
}

const SCALAR: &[&str] = &[
    // numbers
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "cot",
    "degrees",
    "exp",
    "factorial",
    "floor",
    "gcd",
    "isnan",
    "iszero",
    "lcm",
    "ln",
    "log",
    "log10",
    "log2",
    "nanvl",
    "pi",
    "pow",
    "power",
    "radians",
    "round",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
    "to_hex",
    // choices
    "coalesce",
    "greatest",
    "ifnull",
    "least",
    "nullif",
    "nvl",
    "nvl2",
    // texts
    "ascii",
    "bit_length",
    "btrim",
    "char_length",
    "character_length",
    "chr",
    "concat",
    "concat_ws",
    "contains",
    "ends_with",
    "find_in_set",
    "initcap",
    "instr",
    "left",
    "length",
    "levenshtein",
    "lower",
    "lpad",
    "ltrim",
    "octet_length",
    "overlay",
    "position",
    "repeat",
    "replace",
    "reverse",
    "right",
    "rpad",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "substr_index",
    "substring",
    "substring_index",
    "translate",
    "trim",
    "upper",
    "regexp_count",
    "regexp_instr",
    "regexp_like",
    "regexp_match",
    "regexp_replace",
    // time
    "current_date",
    "current_time",
    "current_timestamp",
    "date_bin",
    "date_format",
    "date_part",
    "date_trunc",
    "datepart",
    "datetrunc",
    "from_unixtime",
    "make_date",
    "make_time",
    "now",
    "to_char",
    "to_date",
    "to_local_time",
    "to_time",
    "to_timestamp",
    "to_timestamp_micros",
    "to_timestamp_millis",
    "to_timestamp_nanos",
    "to_timestamp_seconds",
    "to_unixtime",
    "today",
    // encodings and digests
    "decode",
    "digest",
    "encode",
    "md5",
    "sha224",
    "sha256",
    "sha384",
    "sha512",
    // lists
    "array_any_value",
    "array_append",
    "array_cat",
    "array_compact",
    "array_concat",
    "array_contains",
    "array_dims",
    "array_distinct",
    "array_element",
    "array_empty",
    "array_except",
    "array_extract",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_indexof",
    "array_intersect",
    "array_join",
    "array_length",
    "array_max",
    "array_min",
    "array_ndims",
    "array_pop_back",
    "array_pop_front",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_push_back",
    "array_push_front",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_repeat",
    "array_replace",
    "array_replace_all",
    "array_replace_n",
    "array_resize",
    "array_reverse",
    "array_slice",
    "array_sort",
    "array_to_string",
    "array_union",
    "arrays_overlap",
    "arrays_zip",
    "cardinality",
    "element_at",
    "empty",
    "flatten",
    "generate_series",
    "list_append",
    "list_cat",
    "list_concat",
    "list_contains",
    "list_distinct",
    "list_element",
    "list_extract",
    "list_has",
    "list_length",
    "list_position",
    "list_repeat",
    "list_resize",
    "list_slice",
    "list_sort",
    "list_to_string",
    "make_array",
    "make_list",
    "range",
    "string_to_array",
    "string_to_list",
    "unnest",
    // structs and maps
    "get_field",
    "map_entries",
    "map_extract",
    "map_keys",
    "map_values",
    "named_struct",
    "row",
    "struct",
];

const ROWS: &[&str] = &[
    "array_agg",
    "avg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar",
    "covar_pop",
    "covar_samp",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "mean",
    "median",
    "min",
    "nth_value",
    "approx_distinct",
    "percentile_cont",
    "quantile_cont",
    "regr_avgx",
    "regr_avgy",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "regr_sxx",
    "regr_sxy",
    "regr_syy",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var",
    "var_pop",
    "var_population",
    "var_samp",
    "var_sample",
    "cume_dist",
    "dense_rank",
    "lag",
    "lead",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// What a folded name stands for, if a query may call it.
pub(crate) fn kind_of(name: &str) -> Option<Kind> {
    match (ROWS.contains(&name), SCALAR.contains(&name)) {
        (true, _) => Some(Kind::Rows),
        (false, true) => Some(Kind::Scalar),
        (false, false) => None,
    }
}

/// The functions by name, aliases included.
pub(crate) struct Functions {
    pub(crate) scalar: HashMap<String, Arc<ScalarUDF>>,
    pub(crate) aggregate: HashMap<String, Arc<AggregateUDF>>,
    pub(crate) window: HashMap<String, Arc<WindowUDF>>,
    /// The engine's own names of what is allowed, for the check after planning.
    own_names: HashSet<String>,
}

/// The one registry; it is the same for everybody.
pub(crate) static FUNCTIONS: LazyLock<Functions> = LazyLock::new(Functions::allowed);

impl Functions {
    fn allowed() -> Self {
        let mut functions = Self {
            scalar: HashMap::new(),
            aggregate: HashMap::new(),
            window: HashMap::new(),
            own_names: HashSet::from([bound::IDENTITY.to_owned(), pattern::LIKE.to_owned()]),
        };
        for udf in SessionStateDefaults::default_scalar_functions() {
            let udf = match Bound::of(udf.name()) {
                Some(bound) => Arc::new(ScalarUDF::new_from_impl(Bounded::new(udf, bound))),
                None => udf,
            };
            let names = std::iter::once(udf.name()).chain(udf.aliases().iter().map(String::as_str));
            for name in names.filter(|name| SCALAR.contains(name)) {
                functions.scalar.insert(name.to_owned(), udf.clone());
                functions.own_names.insert(udf.name().to_owned());
            }
        }
        for udf in SessionStateDefaults::default_aggregate_functions() {
            let names = std::iter::once(udf.name()).chain(udf.aliases().iter().map(String::as_str));
            names.filter(|name| ROWS.contains(name)).for_each(|name| {
                functions.aggregate.insert(name.to_owned(), udf.clone());
            });
        }
        for udf in SessionStateDefaults::default_window_functions() {
            let names = std::iter::once(udf.name()).chain(udf.aliases().iter().map(String::as_str));
            names.filter(|name| ROWS.contains(name)).for_each(|name| {
                functions.window.insert(name.to_owned(), udf.clone());
            });
        }
        functions
    }

    /// True if a scalar function in a finished plan is one of ours, with its bounds.
    fn knows(&self, udf: &ScalarUDF) -> bool {
        self.own_names.contains(udf.name()) && (Bound::of(udf.name()).is_none() || bound::is_bounded(udf))
    }
}

/// Puts the bounded functions in the place of those that the planner made by itself (for `||`, `[…]`, `SUBSTRING`),
/// bounds both sides of `||`, and makes functions of the operators that match patterns.
pub(crate) fn bound_plan(plan: LogicalPlan, watch: &Watch) -> datafusion::error::Result<LogicalPlan> {
    let bounded = plan.transform_down_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        node.map_expressions(|expr| {
            let name = names.save(&expr);
            let bounded = expr.transform_down(|inner| Ok(bound_expr(inner, watch)))?;
            Ok(bounded.update_data(|expr| name.restore(expr)))
        })
    })?;
    Ok(bounded.data)
}

fn bound_expr(expr: Expr, watch: &Watch) -> Transformed<Expr> {
    match pattern::function(expr, watch) {
        Expr::ScalarFunction(ScalarFunction { func, args }) => {
            let bound = Bound::of(func.name());
            let bounded = match FUNCTIONS.scalar.get(func.name()) {
                Some(ours) if bound.is_some_and(Bound::takes_long) => bound::watched(ours, watch),
                Some(ours) if bound.is_some() && !bound::is_bounded(&func) => ours.clone(),
                _ => func,
            };
            Transformed::yes(Expr::ScalarFunction(ScalarFunction { func: bounded, args }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
            let side =
                |side: Box<Expr>| if bound::is_identity(&side) { side } else { Box::new(bound::identity(*side)) };
            Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: side(left),
                op: Operator::StringConcat,
                right: side(right),
            }))
        }
        other => Transformed::yes(other),
    }
}

/// How many rows a batch may have while a plan runs, so that what its functions make of them stays small; `None` for any.
pub(crate) fn rows_at_once(plan: &LogicalPlan) -> datafusion::error::Result<Option<usize>> {
    let mut calls = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                let makes = match inner {
                    Expr::ScalarFunction(call) => {
                        call.func.name() != bound::IDENTITY
                            && Bound::of(call.func.name()).is_some_and(Bound::makes_values)
                    }
                    Expr::BinaryExpr(binary) => binary.op == Operator::StringConcat,
                    _ => false,
                };
                calls += usize::from(makes);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(bound::rows_at_once(calls))
}

/// True if every scalar function in an optimised plan is known and bounded.
pub(crate) fn only_known(plan: &LogicalPlan) -> datafusion::error::Result<bool> {
    let mut known = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|inner| {
                if let Expr::ScalarFunction(ScalarFunction { func, .. }) = inner {
                    known &= FUNCTIONS.knows(func);
                }
                known &= !matches!(inner, Expr::HigherOrderFunction(_) | Expr::ScalarVariable(..));
                Ok(if known { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
            })
        })
    })?;
    Ok(known)
}

#[cfg(test)]
mod tests;
