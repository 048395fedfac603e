//! Contacts to be created or changed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::channel::{Channel, Closed};
use super::field::Field;
use super::spelling::Spelling;

/// How a contact is reached, which is also how GHL tells two contacts from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    Email(String),
    /// With the country's prefix: GHL normalises to E.164.
    Phone(String),
}

/// A contact to be created, in the client's location. It always has an e-mail address or number, so that it can be looked for after an unknown outcome.
#[derive(Clone, Debug, PartialEq)]
pub struct NewContact {
    pub reach: Reach,
    /// Everything else. An e-mail address or a number given here is sent beside the one of `reach`.
    pub fields: ContactFields,
    pub company: Option<String>,
    pub gender: Option<String>,
    /// Names of tags; those that the location does not know are created.
    pub tags: Vec<String>,
}

impl NewContact {
    pub fn new(reach: Reach) -> Self {
        Self { reach, fields: ContactFields::default(), company: None, gender: None, tags: Vec::new() }
    }
}

/// What may be said of a contact when it is created and when it is changed. Tags are not included: a change with tags would
/// replace all of them, so they have calls of their own.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContactFields {
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub name: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub first_name: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub last_name: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub email: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub phone: Field<String>,
    #[serde(rename = "address1", skip_serializing_if = "Field::is_kept")]
    pub street: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub city: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub state: Field<String>,
    /// GHL does not let it be emptied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    /// Two letters. GHL does not let it be emptied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub website: Field<String>,
    /// An IANA name.
    #[serde(rename = "timezone", skip_serializing_if = "Field::is_kept")]
    pub time_zone: Field<String>,
    #[serde(skip_serializing_if = "Field::is_kept")]
    pub date_of_birth: Field<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    #[serde(rename = "dnd", skip_serializing_if = "Option::is_none")]
    pub do_not_disturb: Option<bool>,
    #[serde(skip)]
    pub channels: BTreeMap<Channel, Closed>,
    /// By field id: text, number, list or object, as the field has it.
    #[serde(skip)]
    pub custom_fields: BTreeMap<String, Value>,
}

impl ContactFields {
    /// None where there is nothing to say.
    pub(crate) fn body(&self, spelling: Spelling) -> Option<Map<String, Value>> {
        let Ok(Value::Object(mut body)) = serde_json::to_value(self) else { return None };
        if !self.channels.is_empty() {
            let channels = self.channels.iter().map(|(channel, closed)| (spelling.channel(*channel).to_owned(), json!({"status": closed})));
            body.insert("dndSettings".to_owned(), Value::Object(channels.collect()));
        }
        if !self.custom_fields.is_empty() {
            let fields = self.custom_fields.iter().map(|(id, value)| json!({"id": id, spelling.custom_value(): value}));
            body.insert("customFields".to_owned(), fields.collect());
        }
        (!body.is_empty()).then_some(body)
    }
}

impl NewContact {
    pub(crate) fn body(&self, spelling: Spelling) -> Map<String, Value> {
        let mut body = self.fields.body(spelling).unwrap_or_default();
        let (key, reach) = match &self.reach {
            Reach::Email(email) => ("email", email),
            Reach::Phone(phone) => ("phone", phone),
        };
        body.insert(key.to_owned(), Value::from(reach.as_str()));
        for (key, value) in [("companyName", &self.company), ("gender", &self.gender)] {
            if let Some(value) = value {
                body.insert(key.to_owned(), Value::from(value.as_str()));
            }
        }
        if !self.tags.is_empty() {
            body.insert("tags".to_owned(), json!(self.tags));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_spelled_as_its_version_has_it() {
        let fields = ContactFields {
            first_name: "Ann".to_owned().into(),
            city: Field::Clear,
            date_of_birth: Date::constant(1990, 9, 25).into(),
            channels: [(Channel::WhatsApp, Closed::Active), (Channel::Sms, Closed::Permanent)].into(),
            custom_fields: [("f-1".to_owned(), json!(["a"]))].into(),
            ..ContactFields::default()
        };
        let contact = NewContact { tags: vec!["vip".to_owned()], fields, ..NewContact::new(Reach::Phone("+4930123".to_owned())) };
        assert_eq!(
            Value::Object(contact.body(Spelling::V2)),
            json!({
                "firstName": "Ann", "city": null, "dateOfBirth": "1990-09-25", "phone": "+4930123", "tags": ["vip"],
                "dndSettings": {"WhatsApp": {"status": "active"}, "SMS": {"status": "permanent"}},
                "customFields": [{"id": "f-1", "field_value": ["a"]}]
            })
        );
        let third = contact.body(Spelling::V3);
        assert_eq!(third["dndSettings"], json!({"whatsApp": {"status": "active"}, "sms": {"status": "permanent"}}));
        assert_eq!(third["customFields"], json!([{"id": "f-1", "fieldValue": ["a"]}]));
    }

    #[test]
    fn a_change_that_changes_nothing_has_no_body() {
        assert_eq!(ContactFields::default().body(Spelling::V2), None);
        assert!(ContactFields { postal_code: Some("1".to_owned()), ..ContactFields::default() }.body(Spelling::V2).is_some());
    }
}
