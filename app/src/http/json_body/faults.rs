use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use regex::Regex;
use serde_json::Value;

use crate::http::problem::FieldError;

/// Faults told at most; a body may have as many as it has bytes.
const FAULTS_MAX: usize = 20;
/// Levels of nesting looked into.
const DEPTH_MAX: usize = 16;

/// What is wrong with `value` by the schema of `T`, or `fallback` if the schema has no complaint.
pub(super) fn find<T: Type>(value: &Value, fallback: &str) -> Vec<FieldError> {
    let mut registry = Registry::new();
    T::register(&mut registry);
    let mut search = Search { registry: &registry, faults: Vec::new() };
    search.value("", value, &T::schema_ref(), 0);
    if search.faults.is_empty() {
        let reason = fallback.split(" (occurred while parsing").next().unwrap_or(fallback);
        search.fault("", reason.to_owned());
    }
    search.faults
}

struct Search<'a> {
    registry: &'a Registry,
    faults: Vec<FieldError>,
}

impl Search<'_> {
    fn fault(&mut self, field: &str, reason: impl Into<String>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(FieldError { field: field.to_owned(), reason: reason.into() });
        }
    }

    fn value(&mut self, field: &str, value: &Value, schema: &MetaSchemaRef, depth: usize) {
        let schema = match schema {
            MetaSchemaRef::Inline(schema) => schema.as_ref(),
            MetaSchemaRef::Reference(name) => match self.registry.schemas.get(name) {
                Some(schema) => schema,
                None => return,
            },
        };
        // A choice between schemas has no single fault to name.
        let is_choice = !schema.any_of.is_empty() || !schema.one_of.is_empty();
        if is_choice || depth > DEPTH_MAX || (value.is_null() && schema.nullable) {
            return;
        }
        for part in &schema.all_of {
            self.value(field, value, part, depth + 1);
        }
        if !schema.enum_items.is_empty() && !schema.enum_items.contains(value) {
            let known: Vec<String> = schema.enum_items.iter().map(|item| item.to_string().replace('"', "")).collect();
            return self.fault(field, format!("must be one of {}", known.join(", ")));
        }
        match (schema.ty, value) {
            ("object", Value::Object(fields)) => self.object(field, fields, schema, depth),
            ("array", Value::Array(items)) => self.array(field, items, schema, depth),
            ("string", Value::String(text)) => self.text(field, text, schema),
            ("integer", Value::Number(number))
                if number.is_u64() && !number.is_i64() && schema.format == Some("int64") =>
            {
                self.fault(field, format!("must be at most {}", i64::MAX));
            }
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {
                self.number(field, number.as_f64(), schema);
            }
            ("number", Value::Number(number)) => self.number(field, number.as_f64(), schema),
            ("boolean", Value::Bool(_)) | ("", _) => {}
            ("object", _) => self.fault(field, "must be an object"),
            ("array", _) => self.fault(field, "must be an array"),
            ("integer", _) => self.fault(field, "must be a whole number"),
            (other, _) => self.fault(field, format!("must be a {other}")),
        }
    }

    fn object(&mut self, field: &str, fields: &serde_json::Map<String, Value>, schema: &MetaSchema, depth: usize) {
        let below = |name: &str| if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
        for name in &schema.required {
            if fields.get(*name).is_none_or(Value::is_null) {
                self.fault(&below(name), "is missing");
            }
        }
        for (name, schema) in &schema.properties {
            if let Some(value) = fields.get(*name).filter(|value| !value.is_null()) {
                self.value(&below(name), value, schema, depth + 1);
            }
        }
        if !schema.properties.is_empty() && schema.additional_properties.is_none() {
            let is_known = |name: &str| schema.properties.iter().any(|(known, _)| *known == name);
            for name in fields.keys().filter(|name| !is_known(name)) {
                let name: String = name.chars().take(64).collect();
                self.fault(&below(&name), "is not a field here");
            }
        }
    }

    fn array(&mut self, field: &str, items: &[Value], schema: &MetaSchema, depth: usize) {
        if schema.max_items.is_some_and(|max| items.len() > max)
            || schema.min_items.is_some_and(|min| items.len() < min)
        {
            let (min, max) = (schema.min_items.unwrap_or(0), schema.max_items);
            return self.fault(field, format!("must have {} items", range(min, max)));
        }
        let Some(item_schema) = &schema.items else { return };
        for (index, item) in items.iter().enumerate() {
            self.value(&format!("{field}[{index}]"), item, item_schema, depth + 1);
        }
    }

    fn text(&mut self, field: &str, text: &str, schema: &MetaSchema) {
        let length = text.chars().count();
        let too_long = schema.max_length.is_some_and(|max| length > max);
        if too_long || schema.min_length.is_some_and(|min| length < min) {
            let (min, max) = (schema.min_length.unwrap_or(0), schema.max_length);
            self.fault(field, format!("must have {} characters", range(min, max)));
        } else if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !matches(text, pattern)) {
            self.fault(field, format!("must match `{pattern}`"));
        } else if let Some(format) = schema.format.filter(|format| !fits(text, format)) {
            self.fault(field, format!("must be a {format}"));
        }
    }

    fn number(&mut self, field: &str, number: Option<f64>, schema: &MetaSchema) {
        let Some(number) = number else { return };
        if schema.minimum.is_some_and(|min| number < min) {
            self.fault(field, format!("must be at least {}", schema.minimum.unwrap_or_default()));
        } else if schema.maximum.is_some_and(|max| number > max) {
            self.fault(field, format!("must be at most {}", schema.maximum.unwrap_or_default()));
        } else if schema.format.is_some_and(|format| format.starts_with('u')) && number < 0.0 {
            self.fault(field, "must not be negative");
        }
    }
}

fn fits(text: &str, format: &str) -> bool {
    match format {
        "date-time" => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        "uuid" => uuid::Uuid::parse_str(text).is_ok(),
        _ => true,
    }
}

/// Whether a text has the form that its schema asks for; a pattern that cannot be read fits nothing, as where it is enforced.
fn matches(text: &str, pattern: &str) -> bool {
    Regex::new(pattern).is_ok_and(|form| form.is_match(text))
}

fn range(min: usize, max: Option<usize>) -> String {
    match max {
        Some(max) if min == max => max.to_string(),
        Some(max) => format!("{min} to {max}"),
        None => format!("at least {min}"),
    }
}
