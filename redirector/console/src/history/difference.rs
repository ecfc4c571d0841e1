//! What differs between two versions of an entity. It never shows a secret.

use serde_json::{Map, Value};
use shared::catalog::Entity;

/// Fields whose values nobody may read here.
const HIDDEN: [&str; 6] =
    ["webhook_secret", "old_webhook_secret", "shop_api", "sealed", "password", "hash"];
/// Fields that say nothing of what somebody did.
const LEFT_OUT: [&str; 1] = ["updated_at"];

/// A field that has another value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) name: String,
    pub(super) before: Value,
    pub(super) after: Value,
}

impl Difference {
    /// Returns both values as they may be shown.
    pub(super) fn shown(&self) -> (Value, Value) {
        if !HIDDEN.contains(&self.name.as_str()) {
            return (self.before.clone(), self.after.clone());
        }
        let hidden = |value: &Value| if value.is_null() { Value::Null } else { "hidden".into() };
        (hidden(&self.before), hidden(&self.after))
    }
}

/// Returns the kind of an entity, its id for people, and its fields.
pub(super) fn fields(entity: &Entity) -> (String, String, Map<String, Value>) {
    let Ok(Value::Object(tagged)) = serde_json::to_value(entity) else {
        return Default::default();
    };
    let id = match entity {
        // A token's own name in the catalog is its hash.
        Entity::AccessToken(token) => token.id().to_string(),
        other => other.id(),
    };
    match tagged.into_iter().next() {
        Some((kind, Value::Object(fields))) => (kind, id, fields),
        _ => Default::default(),
    }
}

/// Returns what differs; everything where there was nothing before.
pub(super) fn differences(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Vec<Difference> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let of = |fields: &Map<String, Value>, name: &str| fields.get(name).cloned();
    names
        .filter(|name| !LEFT_OUT.contains(&name.as_str()))
        .map(|name| Difference {
            name: name.clone(),
            before: of(before, name).unwrap_or_default(),
            after: of(after, name).unwrap_or_default(),
        })
        .filter(|difference| difference.before != difference.after)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_difference_names_both_values_and_hides_secrets() {
        let before = map(json!({ "name": "A", "webhook_secret": "one", "paused": false, "x": 1 }));
        let after = map(json!({
            "name": "B", "webhook_secret": "two", "paused": false, "email": "e", "updated_at": 9,
        }));
        let found = differences(&before, &after);
        let shown: Vec<_> =
            found.iter().map(|found| (found.name.as_str(), found.shown())).collect();
        assert_eq!(
            shown,
            [
                ("name", (json!("A"), json!("B"))),
                ("webhook_secret", (json!("hidden"), json!("hidden"))),
                ("x", (json!(1), Value::Null)),
                ("email", (Value::Null, json!("e"))),
            ]
        );
        assert_eq!(differences(&before, &before), []);
    }
}
