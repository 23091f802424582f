//! The allow-list over the parsed statement. Every member of every node is taken apart by name, so that a clause which
//! a later parser learns does not compile until somebody decides on it.
//!
//! Refuses what the planner would parse and then ignore (TABLESAMPLE, locks, hints, SETTINGS, …), and statements whose
//! WITH queries, put in place, stand for too many tables.

use datafusion::sql::sqlparser::ast::{
    Cte, Distinct, ExcludeSelectItem, GroupByExpr, Ident, Join, JoinConstraint, JoinOperator, LimitClause,
    NamedWindowDefinition, NamedWindowExpr, ObjectName, ObjectNamePart, Offset, OrderBy, OrderByExpr, OrderByKind,
    Parens, Query, Select, SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, TableAlias,
    TableFactor, TableVersion, TableWithJoins, WildcardAdditionalOptions, With,
};
use polder_types::Error;

use super::{
    CHAIN_MAX, DEPTH_MAX, LEVEL_SEPARATOR, RELATIONS_MAX, RelationName, fold, nested_too_deep, position, relation_name,
};
use crate::error::{Phase, limit, refused};

/// Stands for a dot in the name of a WITH query while the planner looks at it; no written name can hold it.
pub(crate) const DOT: char = '\u{1e}';

/// Refuses unless a clause is absent.
macro_rules! absent {
    ($present:expr, $what:literal) => {
        if $present {
            return Err(refused($what, None));
        }
    };
}
pub(super) use absent;

/// The state of the walk.
#[derive(Default)]
pub(super) struct Walk {
    depth: usize,
    relations: Vec<RelationName>,
    /// WITH queries in scope and how many tables each stands for.
    ctes: Vec<(String, usize)>,
    /// Tables that the query walked so far stands for.
    weight: usize,
}

impl Walk {
    pub(super) fn into_relations(self) -> Vec<RelationName> {
        self.relations
    }

    /// Runs `inner` one level deeper.
    pub(super) fn deeper(&mut self, inner: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > 2 * DEPTH_MAX {
            return Err(nested_too_deep());
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Notes a relation.
    pub(super) fn names(&mut self, name: &RelationName) -> Result<(), Error> {
        let key = cte_key(name);
        let stands_for = self.ctes.iter().rev().find(|(cte, _)| *cte == key).map_or(1, |(_, weight)| *weight);
        self.add_weight(stands_for)?;
        if !self.relations.contains(name) {
            self.relations.push(name.clone());
        }
        Ok(())
    }

    fn add_weight(&mut self, weight: usize) -> Result<(), Error> {
        self.weight = self.weight.saturating_add(weight);
        if self.weight > RELATIONS_MAX {
            return Err(limit(Phase::Gate, format!("a statement stands for at most {RELATIONS_MAX} tables")));
        }
        Ok(())
    }

    /// Walks a query; its WITH queries go out of scope at its end.
    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), Error> {
        let scope = self.ctes.len();
        let result = self.deeper(|walk| walk.query_parts(query));
        self.ctes.truncate(scope);
        result
    }

    fn query_parts(&mut self, query: &mut Query) -> Result<(), Error> {
        let Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        absent!(fetch.is_some(), "FETCH (use LIMIT)");
        absent!(!locks.is_empty(), "a locking clause");
        absent!(for_clause.is_some(), "FOR XML, JSON or BROWSE");
        absent!(settings.is_some(), "SETTINGS");
        absent!(format_clause.is_some(), "FORMAT");
        absent!(!pipe_operators.is_empty(), "the pipe operator");
        if let Some(with) = with {
            self.with(with)?;
        }
        self.set_expr(body)?;
        if let Some(OrderBy { kind, interpolate }) = order_by {
            absent!(interpolate.is_some(), "INTERPOLATE");
            match kind {
                OrderByKind::All(_) => return Err(refused("ORDER BY ALL", None)),
                OrderByKind::Expressions(exprs) => self.order_by(exprs)?,
            }
        }
        match limit_clause {
            None => Ok(()),
            Some(LimitClause::LimitOffset { limit, offset, limit_by }) => {
                absent!(!limit_by.is_empty(), "LIMIT BY");
                if let Some(Offset { value, rows: _ }) = offset {
                    self.expr(value)?;
                }
                limit.as_mut().map_or(Ok(()), |limit| self.expr(limit))
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => Err(refused("LIMIT with a comma", None)),
        }
    }

    fn with(&mut self, with: &mut With) -> Result<(), Error> {
        let With { with_token: _, recursive: _, cte_tables } = with;
        for cte in cte_tables {
            let Cte { alias, query, from, materialized, closing_paren_token: _ } = cte;
            absent!(from.is_some(), "FROM in WITH");
            absent!(materialized.is_some(), "MATERIALIZED");
            table_alias(Some(alias))?;
            let outside = std::mem::take(&mut self.weight);
            self.query(query)?;
            let weight = std::mem::replace(&mut self.weight, outside);
            self.ctes.push((cte_key(&[fold(&alias.name)]), weight.max(1)));
            hide_dots(&mut alias.name);
        }
        Ok(())
    }

    /// Set operations lean to the left: the spine is walked in a loop.
    fn set_expr(&mut self, body: &mut SetExpr) -> Result<(), Error> {
        let (mut current, mut chain) = (body, 0usize);
        loop {
            match current {
                SetExpr::SetOperation { left, op: _, set_quantifier: _, right } => {
                    chain += 1;
                    bound_chain(chain)?;
                    self.deeper(|walk| walk.set_expr(right))?;
                    current = left;
                }
                SetExpr::Select(select) => return self.select(select),
                SetExpr::Query(query) => return self.query(query),
                SetExpr::Values(values) => {
                    let datafusion::sql::sqlparser::ast::Values { explicit_row, value_keyword, rows } = values;
                    absent!(*explicit_row || *value_keyword, "this form of VALUES");
                    return rows.iter_mut().try_for_each(|Parens { content, .. }| self.exprs(content));
                }
                SetExpr::Insert(_) => return Err(refused("INSERT", None)),
                SetExpr::Update(_) => return Err(refused("UPDATE", None)),
                SetExpr::Delete(_) => return Err(refused("DELETE", None)),
                SetExpr::Merge(_) => return Err(refused("MERGE", None)),
                SetExpr::Table(_) => return Err(refused("TABLE as a query", None)),
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(), Error> {
        refuse_rare_clauses(select)?;
        let Select {
            select_token: _,
            optimizer_hints: _,
            distinct,
            select_modifiers: _,
            top: _,
            top_before_distinct: _,
            projection,
            exclude: _,
            into: _,
            from,
            lateral_views: _,
            prewhere: _,
            selection,
            connect_by: _,
            group_by,
            cluster_by: _,
            distribute_by: _,
            sort_by: _,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode: _,
            flavor: _,
        } = select;
        for table in from.iter_mut() {
            self.table_with_joins(table)?;
        }
        match distinct {
            None | Some(Distinct::All | Distinct::Distinct) => {}
            Some(Distinct::On(exprs)) => self.exprs(exprs)?,
        }
        projection.iter_mut().try_for_each(|item| self.select_item(item, from))?;
        match group_by {
            GroupByExpr::All(modifiers) => absent!(!modifiers.is_empty(), "a GROUP BY modifier"),
            GroupByExpr::Expressions(exprs, modifiers) => {
                absent!(!modifiers.is_empty(), "a GROUP BY modifier");
                self.exprs(exprs)?;
            }
        }
        for NamedWindowDefinition(_, window) in named_window {
            match window {
                NamedWindowExpr::NamedWindow(_) => return Err(refused("a window named after another", None)),
                NamedWindowExpr::WindowSpec(spec) => self.window_spec(spec)?,
            }
        }
        [selection, having, qualify].into_iter().flatten().try_for_each(|expr| self.expr(expr))
    }

    fn select_item(&mut self, item: &mut SelectItem, from: &[TableWithJoins]) -> Result<(), Error> {
        match item {
            SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, alias: _ } => self.expr(expr),
            SelectItem::ExprWithAliases { .. } => Err(refused("several aliases for one expression", None)),
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                relation_name(name)?;
                complete_qualifier(name, from);
                wildcard_options(options)
            }
            SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::Expr(_), _) => {
                Err(refused("`.*` after an expression", None))
            }
            SelectItem::Wildcard(options) => wildcard_options(options),
        }
    }

    fn table_with_joins(&mut self, table: &mut TableWithJoins) -> Result<(), Error> {
        let TableWithJoins { relation, joins } = table;
        bound_chain(joins.len())?;
        self.table_factor(relation)?;
        for Join { relation, global, join_operator } in joins {
            absent!(*global, "GLOBAL JOIN");
            self.table_factor(relation)?;
            self.join_operator(join_operator)?;
        }
        Ok(())
    }

    fn join_operator(&mut self, operator: &mut JoinOperator) -> Result<(), Error> {
        let constraint = match operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint)
            | JoinOperator::LeftSemi(constraint)
            | JoinOperator::RightSemi(constraint)
            | JoinOperator::LeftAnti(constraint)
            | JoinOperator::RightAnti(constraint) => constraint,
            JoinOperator::CrossJoin(JoinConstraint::None) => return Ok(()),
            JoinOperator::CrossJoin(_)
            | JoinOperator::Semi(_)
            | JoinOperator::Anti(_)
            | JoinOperator::CrossApply
            | JoinOperator::OuterApply
            | JoinOperator::AsOf { .. }
            | JoinOperator::StraightJoin(_)
            | JoinOperator::ArrayJoin
            | JoinOperator::LeftArrayJoin
            | JoinOperator::InnerArrayJoin => return Err(refused("this kind of join", None)),
        };
        match constraint {
            JoinConstraint::On(expr) => self.expr(expr),
            JoinConstraint::Using(columns) => columns.iter().try_for_each(|column| relation_name(column).map(drop)),
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
        }
    }

    fn table_factor(&mut self, factor: &mut TableFactor) -> Result<(), Error> {
        match factor {
            TableFactor::Table { .. } => self.table(factor),
            TableFactor::Derived { lateral: _, subquery, alias, sample } => {
                absent!(sample.is_some(), "TABLESAMPLE");
                table_alias(alias.as_ref())?;
                self.query(subquery)
            }
            TableFactor::NestedJoin { table_with_joins, alias } => {
                table_alias(alias.as_ref())?;
                self.deeper(|walk| walk.table_with_joins(table_with_joins))
            }
            TableFactor::UNNEST { alias, array_exprs, with_offset, with_offset_alias, with_ordinality } => {
                absent!(*with_offset || with_offset_alias.is_some() || *with_ordinality, "UNNEST with positions");
                table_alias(alias.as_ref())?;
                self.add_weight(1)?;
                self.exprs(array_exprs)
            }
            TableFactor::TableFunction { .. } | TableFactor::Function { .. } => Err(refused("a table function", None)),
            TableFactor::JsonTable { .. } | TableFactor::OpenJsonTable { .. } => Err(refused("JSON_TABLE", None)),
            TableFactor::XmlTable { .. } => Err(refused("XMLTABLE", None)),
            TableFactor::Pivot { .. } | TableFactor::Unpivot { .. } => Err(refused("PIVOT", None)),
            TableFactor::MatchRecognize { .. } => Err(refused("MATCH_RECOGNIZE", None)),
            TableFactor::SemanticView { .. } => Err(refused("SEMANTIC_VIEW", None)),
        }
    }

    fn table(&mut self, factor: &mut TableFactor) -> Result<(), Error> {
        let at = position(factor.span());
        let TableFactor::Table {
            name,
            alias,
            args,
            with_hints,
            version,
            with_ordinality,
            partitions,
            json_path,
            sample,
            index_hints,
        } = factor
        else {
            return Ok(());
        };
        match version {
            None => {}
            Some(TableVersion::Function(_) | TableVersion::Changes { .. }) => {
                return Err(refused("a table's changes", at));
            }
            Some(
                TableVersion::ForSystemTimeAsOf(_) | TableVersion::TimestampAsOf(_) | TableVersion::VersionAsOf(_),
            ) => return Err(refused("time travel", at)),
        }
        let hinted = !with_hints.is_empty() || !partitions.is_empty() || !index_hints.is_empty();
        match () {
            () if args.is_some() => return Err(refused("a table function", at)),
            () if sample.is_some() => return Err(refused("TABLESAMPLE", at)),
            () if hinted => return Err(refused("a table hint", at)),
            () if *with_ordinality => return Err(refused("WITH ORDINALITY", at)),
            () if json_path.is_some() => return Err(refused("a path into a table", at)),
            () => {}
        }
        table_alias(alias.as_ref())?;
        let parts = relation_name(name)?;
        self.names(&parts)?;
        collapse_levels(name, &parts);
        if let [ObjectNamePart::Identifier(only)] = name.0.as_mut_slice() {
            hide_dots(only);
        }
        Ok(())
    }

    pub(super) fn order_by(&mut self, exprs: &mut [OrderByExpr]) -> Result<(), Error> {
        for OrderByExpr { expr, options: _, with_fill } in exprs {
            absent!(with_fill.is_some(), "WITH FILL");
            self.expr(expr)?;
        }
        Ok(())
    }
}

/// The clauses of other systems' SELECT that the planner does not read.
fn refuse_rare_clauses(select: &Select) -> Result<(), Error> {
    absent!(!select.optimizer_hints.is_empty(), "an optimiser hint");
    absent!(select.select_modifiers.as_ref().is_some_and(|m| m.is_any_set()), "a SELECT modifier");
    absent!(select.top.is_some() || select.top_before_distinct, "TOP");
    absent!(select.exclude.is_some(), "EXCLUDE after the select list");
    absent!(select.into.is_some(), "SELECT INTO");
    absent!(!select.lateral_views.is_empty(), "LATERAL VIEW");
    absent!(select.prewhere.is_some(), "PREWHERE");
    absent!(!select.connect_by.is_empty(), "CONNECT BY");
    absent!(!select.cluster_by.is_empty(), "CLUSTER BY");
    absent!(!select.distribute_by.is_empty(), "DISTRIBUTE BY");
    absent!(!select.sort_by.is_empty(), "SORT BY");
    absent!(select.value_table_mode.is_some(), "SELECT AS STRUCT or VALUE");
    absent!(!matches!(select.flavor, SelectFlavor::Standard), "a SELECT that begins with FROM");
    Ok(())
}

fn wildcard_options(options: &mut WildcardAdditionalOptions) -> Result<(), Error> {
    let WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    let rare = opt_ilike.is_some() || opt_replace.is_some() || opt_rename.is_some() || opt_alias.is_some();
    absent!(rare, "this option of `*`");
    // The planner folds every name but these.
    let excepted = opt_except
        .iter_mut()
        .flat_map(|except| std::iter::once(&mut except.first_element).chain(&mut except.additional_elements));
    let excluded = opt_exclude.iter_mut().flat_map(|exclude| match exclude {
        ExcludeSelectItem::Single(name) => std::slice::from_mut(name),
        ExcludeSelectItem::Multiple(names) => names.as_mut_slice(),
    });
    let excluded = excluded.flat_map(|name| &mut name.0).filter_map(|part| match part {
        ObjectNamePart::Identifier(ident) => Some(ident),
        ObjectNamePart::Function(_) => None,
    });
    excepted.chain(excluded).for_each(|ident| ident.value = fold(ident));
    Ok(())
}

fn table_alias(alias: Option<&TableAlias>) -> Result<(), Error> {
    let Some(TableAlias { explicit: _, name: _, columns, at }) = alias else { return Ok(()) };
    absent!(at.is_some(), "AT after a table");
    absent!(columns.iter().any(|column| column.data_type.is_some()), "types in a table alias");
    Ok(())
}

/// A name as WITH queries are looked up by; a table in a namespace is never one.
fn cte_key(name: &[String]) -> String {
    name.join(&LEVEL_SEPARATOR.to_string())
}

/// The planner looks WITH queries up by the text of a name: `"hr.salaries"` must not stand for `hr.salaries`.
fn hide_dots(ident: &mut Ident) {
    if ident.value.contains('.') {
        *ident = Ident::with_quote('"', ident.value.replace('.', &DOT.to_string()));
    }
}

/// Completes `emp.*` to `pub.emp.*` where one table of the FROM clause without an alias is meant.
fn complete_qualifier(qualifier: &mut ObjectName, from: &[TableWithJoins]) {
    let Ok(wanted) = relation_name(qualifier) else { return };
    let factors = from
        .iter()
        .flat_map(|table| std::iter::once(&table.relation).chain(table.joins.iter().map(|join| &join.relation)));
    let mut meant = factors.filter_map(|factor| match factor {
        TableFactor::Table { name, alias: None, .. } => {
            relation_name(name).ok().filter(|parts| parts.ends_with(&wanted)).map(|_| name)
        }
        _ => None,
    });
    if let (Some(name), None) = (meant.next(), meant.next()) {
        *qualifier = name.clone();
    }
}

/// The planner knows names of three parts: the levels of a deeper namespace become one part, with a separator that
/// no written name can hold.
fn collapse_levels(name: &mut ObjectName, parts: &RelationName) {
    if let [first, middle @ .., last] = parts.as_slice()
        && middle.len() > 1
    {
        let middle = middle.join(&LEVEL_SEPARATOR.to_string());
        let quoted = |text: &str| ObjectNamePart::Identifier(Ident::with_quote('"', text));
        *name = ObjectName(vec![quoted(first), quoted(&middle), quoted(last)]);
    }
}

pub(super) fn bound_chain(links: usize) -> Result<(), Error> {
    if links > CHAIN_MAX {
        return Err(limit(Phase::Gate, format!("a chain has at most {CHAIN_MAX} operators")));
    }
    Ok(())
}
