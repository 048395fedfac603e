//! The keys that checkpoints are signed with.

use std::fmt;

use domain::Hash;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signature, Signer};
use sha2::{Digest, Sha256};

/// A text that is not an Ed25519 key in PEM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an Ed25519 {0} key in PEM")]
pub struct BadKey(&'static str);

/// Signs checkpoints. Its `Debug` output shows only the key id.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Derives the key from 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// Reads PKCS#8, as `openssl genpkey -algorithm ed25519` writes it.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim()).map(Self).map_err(|_| BadKey("private"))
    }

    pub fn to_pem(&self) -> Result<String, BadKey> {
        self.0.to_pkcs8_pem(LineEnding::LF).map(|pem| pem.to_string()).map_err(|_| BadKey("private"))
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

/// Verifies checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(ed25519_dalek::VerifyingKey);

impl PublicKey {
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        ed25519_dalek::VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| BadKey("public"))
    }

    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Reads what `openssl pkey -pubout` writes.
    pub fn from_pem(pem: &str) -> Result<Self, BadKey> {
        ed25519_dalek::VerifyingKey::from_public_key_pem(pem.trim()).map(Self).map_err(|_| BadKey("public"))
    }

    pub fn to_pem(&self) -> Result<String, BadKey> {
        self.0.to_public_key_pem(LineEnding::LF).map_err(|_| BadKey("public"))
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the key.
    pub fn id(&self) -> String {
        let hash: Hash = Sha256::digest(self.0.as_bytes()).into();
        let mut id = hex::encode(hash);
        id.truncate(16);
        id
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}
