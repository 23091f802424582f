//! The allow-list over expressions: what the planner knows and uses. See `walk` for the rules.

use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, CaseWhen, CeilFloorKind, DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, Interval, Spanned, Subscript, TypedString, Value,
    WindowFrame, WindowFrameBound, WindowSpec, WindowType,
};
use polder_types::Error;

use super::{
    DEPTH_MAX, fold, nested_too_deep, position,
    walk::{Walk, absent, bound_chain},
};
use crate::{
    error::{refused, unknown_function},
    functions::{Kind, kind_of},
};

impl Walk {
    pub(super) fn exprs(&mut self, exprs: &mut [Expr]) -> Result<(), Error> {
        exprs.iter_mut().try_for_each(|expr| self.expr(expr))
    }

    /// Operators lean to the left: the spine is walked in a loop.
    pub(super) fn expr(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let (mut current, mut chain) = (expr, 0usize);
        while let Expr::BinaryOp { left, op: _, right } = current {
            chain += 1;
            bound_chain(chain)?;
            self.deeper(|walk| walk.expr(right))?;
            current = left;
        }
        self.deeper(|walk| walk.operand(current))
    }

    fn two(&mut self, left: &mut Expr, right: &mut Expr) -> Result<(), Error> {
        self.expr(left)?;
        self.expr(right)
    }

    fn operand(&mut self, expr: &mut Expr) -> Result<(), Error> {
        match expr {
            Expr::Identifier(_) => Ok(()),
            Expr::CompoundIdentifier(parts) if parts.len() > DEPTH_MAX => Err(nested_too_deep()),
            Expr::CompoundIdentifier(_) => Ok(()),
            Expr::Value(value) => literal(&value.value),
            Expr::TypedString(TypedString { data_type: _, value, uses_odbc_syntax }) => {
                absent!(*uses_odbc_syntax, "ODBC syntax");
                literal(&value.value)
            }
            Expr::IsFalse(expr)
            | Expr::IsNotFalse(expr)
            | Expr::IsTrue(expr)
            | Expr::IsNotTrue(expr)
            | Expr::IsNull(expr)
            | Expr::IsNotNull(expr)
            | Expr::IsUnknown(expr)
            | Expr::IsNotUnknown(expr)
            | Expr::UnaryOp { op: _, expr }
            | Expr::Nested(expr) => self.expr(expr),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => self.two(left, right),
            Expr::InList { expr, list, negated: _ } => {
                self.expr(expr)?;
                self.exprs(list)
            }
            Expr::InSubquery { expr, subquery, negated: _ } => {
                self.expr(expr)?;
                self.query(subquery)
            }
            Expr::Exists { subquery, negated: _ } | Expr::Subquery(subquery) => self.query(subquery),
            Expr::Between { expr, negated: _, low, high } => {
                self.expr(expr)?;
                self.two(low, high)
            }
            Expr::BinaryOp { .. } => self.expr(expr),
            Expr::Case { case_token: _, end_token: _, operand, conditions, else_result } => {
                for CaseWhen { condition, result } in conditions {
                    self.two(condition, result)?;
                }
                [operand, else_result].into_iter().flatten().try_for_each(|expr| self.expr(expr))
            }
            Expr::Cast { kind: _, expr, data_type: _, array, format } => {
                absent!(*array || format.is_some(), "CAST with a format");
                self.expr(expr)
            }
            Expr::Function(function) => self.function(function),
            Expr::CompoundFieldAccess { root, access_chain } => self.field_access(root, access_chain),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter_mut().try_for_each(|set| self.exprs(set))
            }
            Expr::Tuple(values) => self.exprs(values),
            Expr::Array(Array { elem, named: _ }) => self.exprs(elem),
            other => self.special_form(other),
        }
    }

    /// The forms with a syntax of their own.
    fn special_form(&mut self, expr: &mut Expr) -> Result<(), Error> {
        let at = position(expr.span());
        match expr {
            Expr::Like { negated: _, any, expr, pattern, escape_char }
            | Expr::ILike { negated: _, any, expr, pattern, escape_char } => {
                absent!(*any, "LIKE ANY");
                escape_char.as_ref().map_or(Ok(()), |escape| literal(&escape.value))?;
                self.two(expr, pattern)
            }
            Expr::SimilarTo { negated: _, expr, pattern, escape_char } => {
                escape_char.as_ref().map_or(Ok(()), |escape| literal(&escape.value))?;
                self.two(expr, pattern)
            }
            Expr::AnyOp { left, compare_op: _, right, is_some: _ } | Expr::AllOp { left, compare_op: _, right } => {
                self.two(left, right)
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.two(timestamp, time_zone),
            Expr::Extract { field: _, syntax: _, expr } => self.expr(expr),
            Expr::Ceil { expr, field } | Expr::Floor { expr, field } => {
                let plain = matches!(field, CeilFloorKind::DateTimeField(DateTimeField::NoDateTime));
                absent!(!plain, "CEIL or FLOOR to a unit");
                self.expr(expr)
            }
            Expr::Position { expr, r#in } => self.two(expr, r#in),
            Expr::Substring { expr, substring_from, substring_for, special: _, shorthand: _ } => {
                self.expr(expr)?;
                [substring_from, substring_for].into_iter().flatten().try_for_each(|expr| self.expr(expr))
            }
            Expr::Trim { trim_where: _, trim_what, expr, trim_characters } => {
                self.expr(expr)?;
                trim_what.as_mut().map_or(Ok(()), |what| self.expr(what))?;
                trim_characters.as_mut().map_or(Ok(()), |characters| self.exprs(characters))
            }
            Expr::Overlay { expr, overlay_what, overlay_from, overlay_for } => {
                self.two(expr, overlay_what)?;
                self.expr(overlay_from)?;
                overlay_for.as_mut().map_or(Ok(()), |expr| self.expr(expr))
            }
            Expr::Interval(Interval {
                value,
                leading_field: _,
                leading_precision,
                last_field,
                fractional_seconds_precision,
            }) => {
                let precise =
                    leading_precision.is_some() || last_field.is_some() || fractional_seconds_precision.is_some();
                absent!(precise, "an interval with a precision");
                self.expr(value)
            }
            Expr::JsonAccess { .. }
            | Expr::IsNormalized { .. }
            | Expr::InUnnest { .. }
            | Expr::RLike { .. }
            | Expr::Convert { .. }
            | Expr::Collate { .. }
            | Expr::Prefixed { .. }
            | Expr::Struct { .. }
            | Expr::Named { .. }
            | Expr::Dictionary(_)
            | Expr::Map(_)
            | Expr::MatchAgainst { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::OuterJoin(_)
            | Expr::Prior(_)
            | Expr::Lambda(_)
            | Expr::MemberOf(_) => Err(refused("this kind of expression", at)),
            _ => Err(refused("this expression", at)),
        }
    }

    fn field_access(&mut self, root: &mut Expr, chain: &mut [AccessExpr]) -> Result<(), Error> {
        if chain.len() > DEPTH_MAX {
            return Err(nested_too_deep());
        }
        self.expr(root)?;
        for access in chain {
            match access {
                AccessExpr::Dot(Expr::Identifier(_)) => {}
                AccessExpr::Dot(_) => return Err(refused("this kind of field access", None)),
                AccessExpr::Subscript(Subscript::Index { index }) => self.expr(index)?,
                AccessExpr::Subscript(Subscript::Slice { lower_bound, upper_bound, stride }) => {
                    [lower_bound, upper_bound, stride].into_iter().flatten().try_for_each(|bound| self.expr(bound))?;
                }
            }
        }
        Ok(())
    }

    fn function(&mut self, function: &mut Function) -> Result<(), Error> {
        let at = position(function.span());
        let Function { name, uses_odbc_syntax, parameters, args, filter, null_treatment, over, within_group } =
            function;
        let written = name.to_string();
        let single = match name.0.as_slice() {
            [part] => part.as_ident().map(fold),
            _ => None,
        };
        let kind = single.as_deref().and_then(kind_of).ok_or_else(|| unknown_function(&written, at))?;
        absent!(*uses_odbc_syntax, "ODBC syntax");
        absent!(!matches!(parameters, FunctionArguments::None), "parameters before the arguments of a function");
        match args {
            FunctionArguments::None => {}
            FunctionArguments::Subquery(_) => return Err(refused("a query as the argument of a function", at)),
            FunctionArguments::List(list) => self.arguments(list, kind)?,
        }
        // The planner drops these from a scalar function without a word.
        let decorated = filter.is_some() || null_treatment.is_some() || over.is_some() || !within_group.is_empty();
        if kind == Kind::Scalar && decorated {
            return Err(refused("FILTER, OVER, WITHIN GROUP or a null treatment on a scalar function", at));
        }
        filter.as_mut().map_or(Ok(()), |filter| self.expr(filter))?;
        self.order_by(within_group)?;
        match over {
            None | Some(WindowType::NamedWindow(_)) => Ok(()),
            Some(WindowType::WindowSpec(spec)) => self.window_spec(spec),
        }
    }

    fn arguments(&mut self, list: &mut FunctionArgumentList, kind: Kind) -> Result<(), Error> {
        let FunctionArgumentList { duplicate_treatment, args, clauses } = list;
        let decorated = duplicate_treatment.is_some() || !clauses.is_empty();
        absent!(kind == Kind::Scalar && decorated, "DISTINCT, ORDER BY or another clause in a scalar function");
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr)?,
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if kind != Kind::Scalar => {}
                FunctionArg::Unnamed(_) => return Err(refused("`*` as this argument", None)),
                FunctionArg::Named { .. } | FunctionArg::ExprNamed { .. } => {
                    return Err(refused("a named argument", None));
                }
            }
        }
        for clause in clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(_) => {}
                FunctionArgumentClause::OrderBy(exprs) => self.order_by(exprs)?,
                _ => return Err(refused("this clause in a function", None)),
            }
        }
        Ok(())
    }

    pub(super) fn window_spec(&mut self, spec: &mut WindowSpec) -> Result<(), Error> {
        let WindowSpec { window_name, partition_by, order_by, window_frame } = spec;
        absent!(window_name.is_some(), "a window that extends another");
        self.exprs(partition_by)?;
        self.order_by(order_by)?;
        let Some(WindowFrame { units: _, start_bound, end_bound }) = window_frame else { return Ok(()) };
        for bound in [Some(start_bound), end_bound.as_mut()].into_iter().flatten() {
            if let WindowFrameBound::Preceding(Some(expr)) | WindowFrameBound::Following(Some(expr)) = bound {
                self.expr(expr)?;
            }
        }
        Ok(())
    }
}

fn literal(value: &Value) -> Result<(), Error> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::HexStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null => Ok(()),
        Value::Placeholder(_) => Err(refused("a placeholder", None)),
        _ => Err(refused("this form of text literal", None)),
    }
}
