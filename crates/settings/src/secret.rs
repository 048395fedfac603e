//! Secrets among settings.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serializer;

/// What can be hidden: a secret, or one that may be left out.
pub trait Secret {
    fn is_given(&self) -> bool;
}

impl Secret for SecretString {
    fn is_given(&self) -> bool {
        !self.expose_secret().is_empty()
    }
}

impl Secret for Option<SecretString> {
    fn is_given(&self) -> bool {
        self.as_ref().is_some_and(Secret::is_given)
    }
}

/// Serializes a secret as `hidden`, or as nothing when it is empty, so that settings can be printed.
///
/// # Errors
/// Only those of the serializer.
pub fn hidden<S: Serializer>(secret: &impl Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if secret.is_given() { "hidden" } else { "" })
}
