//! Companies that contacts belong to.

use std::sync::Arc;

use serde_json::Value;

use super::World;
use crate::{
    Refusal,
    draft::{self, Fields, Writer},
    records::Business,
    state::{after, now},
};

impl World {
    /// The body is that of `POST /businesses/`. Gives the id; a contact belongs to it by `businessId`.
    pub fn create_business(&self, body: &Value) -> Result<String, Refusal> {
        self.create_business_as(draft::object(body)?).map(|business| business.id.clone())
    }

    pub(crate) fn create_business_as(&self, body: &Fields) -> Result<Arc<Business>, Refusal> {
        let at = now();
        let mut business = Business { created_at: at, updated_at: at, ..Business::default() };
        draft::business(&mut business, body, Writer::Creating)?;
        let mut state = self.state();
        business.id = state.new_id();
        let business = Arc::new(business);
        state.put_business(Arc::clone(&business));
        Ok(business)
    }

    pub(crate) fn update_business_as(&self, id: &str, body: &Fields) -> Result<Arc<Business>, Refusal> {
        let mut state = self.state();
        let held = state.businesses().get(id).cloned().ok_or_else(|| Refusal::not_found("Business", id))?;
        let mut business = Business::clone(&held);
        draft::business(&mut business, body, Writer::Updating)?;
        business.updated_at = after(held.updated_at);
        let business = Arc::new(business);
        state.put_business(Arc::clone(&business));
        Ok(business)
    }
}
