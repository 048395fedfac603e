//! What of an event is asked for.

use domain::{Body, FieldChange, Opened, field_within};

/// Keeps only the changes of these fields; says whether there are any. Of no fields in particular everything is kept.
pub(crate) fn keep_fields(event: &mut Opened, fields: &[String]) -> bool {
    if fields.is_empty() {
        return true;
    }
    let asked = |change: &FieldChange| fields.iter().any(|asked| field_within(&change.field, asked));
    match &mut event.body {
        Ok(Body::Record(fact)) => {
            fact.changes.retain(asked);
            !fact.changes.is_empty()
        }
        Ok(Body::Delivery(_) | Body::Operator(_) | Body::Erased) | Err(_) => false,
    }
}
