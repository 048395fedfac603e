//! How a contact can be reached, and how it must not be.

use std::collections::BTreeSet;

use super::words::line;
use crate::Contact;

/// GHL's names of channels, in lower case, and what people call them.
const CHANNELS: [(&str, &str); 7] = [
    ("call", "Calls"),
    ("email", "E-mail"),
    ("sms", "SMS"),
    ("whatsapp", "WhatsApp"),
    ("gmb", "Google Business"),
    ("fb", "Facebook"),
    ("rcs", "RCS"),
];

/// The channels on which the contact must not be disturbed. One that nobody knows is shown by GHL's name, and so is a status that is not the
/// usual one.
pub(super) fn channels(contact: &Contact) -> Vec<String> {
    let spoken = |(channel, status): (&String, &String)| {
        let name = CHANNELS.iter().find(|(known, _)| known == channel).map(|(_, name)| (*name).to_owned());
        let name = name.or_else(|| line(Some(channel)))?;
        let status = line(Some(status)).filter(|status| status != "active");
        Some(status.map_or_else(|| name.clone(), |status| format!("{name} ({status})")))
    };
    contact.do_not_disturb_channels.iter().filter_map(spoken).collect()
}

/// Addresses beside the first one.
pub(super) fn further_emails(contact: &Contact) -> Vec<String> {
    let first = line(contact.email.as_deref());
    let further = contact.additional_emails.iter().filter_map(|email| line(Some(email)));
    further.filter(|email| Some(email) != first.as_ref()).collect()
}

/// Numbers beside the first one, with what they are called.
pub(super) fn further_phones(contact: &Contact) -> Vec<String> {
    let first = line(contact.phone.as_deref());
    let further = contact.additional_phones.iter().filter_map(|(number, label)| Some((line(Some(number))?, line(Some(label)))));
    let further = further.filter(|(number, _)| Some(number) != first.as_ref());
    further.map(|(number, label)| label.map_or_else(|| number.clone(), |label| format!("{number} ({label})"))).collect()
}

pub(super) fn links(addresses: &BTreeSet<String>) -> Vec<String> {
    addresses.iter().filter_map(|address| line(Some(address))).collect()
}
