//! The schemas of the OpenAPI document.

use serde_json::{Map, Value, json};

use crate::config::Limits;
use crate::object::{Field, Kind, Shape, fields};

pub(super) fn schemas(limits: &Limits) -> Value {
    let mut schemas = common(limits);
    for kind in Kind::ALL {
        let name = kind.schema();
        schemas.insert(format!("{name}Content"), content(kind));
        schemas.insert(format!("{name}Write"), write(kind, limits));
        schemas.insert(name.to_owned(), object(kind));
        schemas.insert(format!("{name}List"), page(&reference(name)));
    }
    let any = json!({"anyOf": Kind::ALL.map(|kind| reference(kind.schema()))});
    schemas.insert("ObjectList".to_owned(), page(&any));
    Value::Object(schemas)
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn closed(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned()
        && let Some(fields) = schema.as_object_mut()
    {
        fields.insert("type".to_owned(), json!([kind, "null"]));
    }
    schema
}

fn page(item: &Value) -> Value {
    let cursor = json!({"type": ["string", "null"], "description": "Given as cursor, it leads to the next page; null on the last."});
    closed(json!({"items": {"type": "array", "items": item}, "next_cursor": cursor}), &["items", "next_cursor"])
}

fn field(field: &Field) -> Value {
    let text = json!({"type": "string", "description": field.about});
    match field.shape {
        Shape::Title => json!({"type": "string", "minLength": 1, "description": field.about}),
        Shape::Text | Shape::Key | Shape::Body => nullable(text),
        Shape::Moment => {
            json!({"type": ["string", "null"], "description": format!("{} RFC 3339; other text is kept as it is.", field.about)})
        }
        Shape::Flag | Shape::FlagAlways => json!({"type": ["boolean", "null"], "description": field.about}),
        Shape::Texts => json!({"type": ["array", "null"], "items": {"type": "string"}, "description": field.about}),
        Shape::CustomFields => {
            let item = closed(
                json!({"name": {"type": "string"}, "value": {"type": "string"}, "link": {"type": "string", "description": "Where the file is that the value names."}}),
                &["name", "value"],
            );
            json!({"type": ["array", "null"], "items": item, "description": field.about})
        }
    }
}

fn content(kind: Kind) -> Value {
    let properties: Map<String, Value> = fields(kind).iter().map(|known| (known.name.to_owned(), field(known))).collect();
    let required: Vec<&str> = fields(kind).iter().filter(|field| field.shape == Shape::Title).map(|field| field.name).collect();
    closed(Value::Object(properties), &required)
}

/// No control characters.
pub(super) const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";

fn key(limits: &Limits) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": limits.key_bytes_max, "pattern": PRINTABLE, "description": "At most so many bytes of UTF-8; no control characters."})
}

fn write(kind: Kind, limits: &Limits) -> Value {
    let content = reference(&format!("{}Content", kind.schema()));
    let properties = json!({"contact": key(limits), "revision": reference("Revision"), "policy": reference("Policy"), "content": content});
    let required: &[&str] =
        if kind == Kind::Contact { &["revision", "policy", "content"] } else { &["contact", "revision", "policy", "content"] };
    closed(properties, required)
}

fn object(kind: Kind) -> Value {
    let properties = json!({
        "key": {"type": "string"},
        "kind": {"const": kind.as_str()},
        "contact": {"type": ["string", "null"]},
        "revision": reference("Revision"),
        "policy": reference("Policy"),
        "content": reference(&format!("{}Content", kind.schema())),
        "digest": reference("Digest"),
        "position": {"type": "integer", "description": "The place in the feed of the last change."},
    });
    closed(properties, &["key", "kind", "contact", "revision", "policy", "content", "digest", "position"])
}

fn common(limits: &Limits) -> Map<String, Value> {
    let whole = |about: &str| json!({"type": "integer", "minimum": 0, "description": about});
    let text = || json!({"type": "string"});
    let error = closed(json!({"code": text(), "message": text()}), &["code", "message"]);
    let result = json!({
        "key": {"type": ["string", "null"], "description": "Null when the item's key could not be read."},
        "status": {"enum": [200, 201, 409, 422]},
        "outcome": {"enum": ["created", "updated", "unchanged", "kept", "removed", "absent", "stale", "invalid"]},
        "revision": reference("Revision"),
        "digest": reference("Digest"),
        "error": error,
    });
    let change = json!({
        "position": whole("Grows by one."),
        "op": {"enum": ["put", "remove"]},
        "kind": reference("Kind"),
        "key": text(),
        "contact": {"type": ["string", "null"]},
        "revision": reference("Revision"),
        "digest": {"type": ["string", "null"]},
        "changed_at": {"type": "string", "format": "date-time"},
    });
    let change = closed(change, &["position", "op", "kind", "key", "contact", "revision", "digest", "changed_at"]);
    let changes = json!({"items": {"type": "array", "items": change}, "next_after": whole("Ask for what comes after this next."), "position": whole("The head of the feed.")});
    let listed = json!({"workspace": text(), "objects": whole("How many objects there are."), "position": whole("The head of the feed.")});
    let listed = closed(listed, &["workspace", "objects", "position"]);
    let workspace = json!({"workspace": text(), "objects": whole("How many objects there are."), "position": whole("The head of the feed."), "root": reference("Digest")});
    let alias = closed(json!({"alias": text(), "workspace": text()}), &["alias", "workspace"]);
    let contact_digest = json!({"contact": text(), "digest": reference("Digest"), "objects": whole("Its mirrored objects.")});
    let age = closed(json!({"key": key(limits), "revision": reference("Revision"), "stored": reference("Revision")}), &["key", "revision"]);
    let aged = closed(json!({"key": text(), "revision": reference("Revision")}), &["key", "revision"]);
    let outdated =
        json!({"outdated": whole("Objects and tombstones that are older than any write now."), "newer": {"type": "array", "items": aged}});
    let ages = json!({"items": {"type": "array", "maxItems": limits.batch_items_max, "items": age}});
    let digest_about = "Hex of SHA-256. Of an object: over the canonical JSON (keys sorted, no spaces) of {\"contact\", \"content\", \"key\", \"kind\"}, \
        the content without nulls and empty lists, and with done, pinned and body even when they are false or empty.";
    let schemas = json!({
        "Kind": {"enum": Kind::ALL.map(Kind::as_str)},
        "Policy": {"enum": ["mirror", "once"], "description": "mirror: overwritten whenever it drifts. once: created once, then the user's: it stays so whoever writes it later, and no start touches it again, not even after it was removed."},
        "Revision": closed(json!({"epoch": {"type": "integer", "minimum": 0, "maximum": u32::MAX}, "seq": {"type": "integer", "minimum": 0, "maximum": i64::MAX}}), &["epoch", "seq"]),
        "Digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": digest_about},
        "Error": closed(json!({"error": error}), &["error"]),
        "Result": closed(result, &["key", "status", "outcome"]),
        "ResultOrError": {"anyOf": [reference("Result"), reference("Error")]},
        "Results": closed(json!({"results": {"type": "array", "items": reference("Result")}}), &["results"]),
        "Batch": batch(limits),
        "Item": item(limits),
        "Changes": closed(changes, &["items", "next_after", "position"]),
        "Workspace": closed(workspace, &["workspace", "objects", "position", "root"]),
        "Workspaces": page(&listed),
        "Retired": closed(json!({"workspace": text(), "gone": {"type": "boolean"}}), &["workspace", "gone"]),
        "Alias": alias,
        "Aliases": page(&reference("Alias")),
        "Target": closed(json!({"workspace": text()}), &["workspace"]),
        "Erasure": closed(json!({"revision": reference("Revision")}), &["revision"]),
        "Erased": closed(json!({"contact": text(), "objects": whole("Objects that were there.")}), &["contact", "objects"]),
        "Ages": closed(ages, &["items"]),
        "Outdated": closed(outdated, &["outdated", "newer"]),
        "ContactDigests": page(&closed(contact_digest, &["contact", "digest", "objects"])),
        "Root": closed(json!({"root": reference("Digest"), "contacts": whole("Contacts with mirrored objects."), "objects": whole("Mirrored objects.")}), &["root", "contacts", "objects"]),
        "ContactDigest": closed(json!({"digest": reference("Digest"), "objects": whole("Its mirrored objects.")}), &["digest", "objects"]),
    });
    schemas.as_object().cloned().unwrap_or_default()
}

fn batch(limits: &Limits) -> Value {
    // An item that is not one is answered as invalid, and does not spoil the batch: so anything may stand here.
    let items = json!({"type": "array", "maxItems": limits.batch_items_max, "items": {"anyOf": [reference("Item"), true]}});
    closed(json!({"items": items}), &["items"])
}

fn item(limits: &Limits) -> Value {
    let contents: Vec<Value> = Kind::ALL.map(|kind| reference(&format!("{}Content", kind.schema()))).into();
    let properties = json!({
        "op": {"enum": ["put", "remove"]},
        "kind": reference("Kind"),
        "key": key(limits),
        "contact": key(limits),
        "revision": reference("Revision"),
        "policy": reference("Policy"),
        "content": {"anyOf": contents, "description": "What an object of this kind contains. With policy, for put only."},
        "idempotency_key": {
            "type": "string", "minLength": 1, "maxLength": limits.idempotency_key_bytes_max,
            "description": "For the sender's records. A repeated item is harmless by its revision: it is answered unchanged, kept or absent.",
        },
        "traceparent": {"type": "string", "description": "W3C trace context of what caused the write."},
    });
    closed(properties, &["op", "kind", "key", "revision"])
}
