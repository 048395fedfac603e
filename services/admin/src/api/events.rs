//! The changes of an event that a call asks for.

use domain::{Body, FieldChange, Opened, field_within};

/// Keeps only the changes of these fields, and returns whether there are any. Without fields everything is kept.
pub(crate) fn keep_fields(event: &mut Opened, fields: &[String]) -> bool {
    if fields.is_empty() {
        return true;
    }
    let is_wanted = |change: &FieldChange| fields.iter().any(|wanted| field_within(&change.field, wanted));
    match &mut event.body {
        Ok(Body::Record(fact)) => {
            fact.changes.retain(is_wanted);
            !fact.changes.is_empty()
        }
        Ok(Body::Delivery(_) | Body::Operator(_) | Body::Erased) | Err(_) => false,
    }
}
