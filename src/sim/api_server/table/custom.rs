//! The columns of custom kinds, as their definition has them.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;
use serde_json::Value;

use super::{
    Column, Look, age,
    path::{Path, PathError},
};

/// A column that a definition adds.
#[derive(Debug)]
pub(in crate::sim::api_server) struct CustomColumn {
    column: Column,
    path: Path,
}

impl CustomColumn {
    /// Reads a column of a definition.
    pub(in crate::sim::api_server) fn new(definition: &CustomResourceColumnDefinition) -> Result<Self, PathError> {
        let path = Path::read(&definition.json_path)?;
        let described = || format!("Custom resource definition column (in JSONPath format): {}", definition.json_path);
        let column = Column {
            name: definition.name.clone(),
            kind: definition.type_.clone(),
            format: definition.format.clone().unwrap_or_default(),
            description: definition.description.clone().filter(|text| !text.is_empty()).unwrap_or_else(described),
            priority: definition.priority.unwrap_or(0),
        };
        Ok(Self { column, path })
    }

    /// The one column of a definition that has none.
    pub(in crate::sim::api_server) fn age() -> Self {
        let path = Path::read(".metadata.creationTimestamp").expect("it is one");
        Self { column: Column::new("Age", "date", 0), path }
    }

    fn cell(&self, look: &Look<'_>) -> Value {
        let Some(found) = self.path.first(look.value).filter(|found| !found.is_null()) else { return Value::Null };
        match (self.column.kind.as_str(), found) {
            ("string", Value::String(text)) => text.as_str().into(),
            ("string", other) => other.to_string().into(),
            ("integer", Value::Number(number)) => number.as_i64().or_else(|| whole(number.as_f64()?)).into(),
            ("number", Value::Number(number)) => number.as_f64().into(),
            ("boolean", Value::Bool(is)) => (*is).into(),
            ("date", Value::String(time)) => match time.parse::<jiff::Timestamp>() {
                Ok(_) => age::since(time, look.now).into(),
                Err(_) => "<invalid>".into(),
            },
            _ => Value::Null,
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "cut, and saturated, as on the real server")]
fn whole(number: f64) -> Option<i64> {
    Some(number as i64)
}

pub(super) fn columns(own: &[CustomColumn]) -> Vec<Column> {
    let name = Column::new("Name", "string", 0);
    std::iter::once(name).chain(own.iter().map(|column| column.column.clone())).collect()
}

pub(super) fn cells(own: &[CustomColumn], look: &Look<'_>) -> Vec<Value> {
    let name = Value::from(look.name());
    std::iter::once(name).chain(own.iter().map(|column| column.cell(look))).collect()
}
