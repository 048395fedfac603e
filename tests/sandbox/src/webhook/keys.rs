//! The sandbox's own signing keys. They follow from the seed, so they are no secret and protect nothing.

use std::sync::{Arc, OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey, pkcs8::EncodePublicKey as _};
use rand::{SeedableRng as _, rngs::StdRng};
use rsa::{PrivateKey, pkcs8::LineEnding};
use sha2::Sha256;

use crate::{Error, dice::Dice};

/// GHL's has 4096 bits; making and using one takes long in a debug build and proves nothing more.
const RSA_BITS: usize = 2048;

/// Signs as GHL does: base64 over the raw bytes of the body.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    ed25519: SigningKey,
    rsa_seed: [u8; 32],
    /// Made when first asked for: it takes a while.
    rsa: OnceLock<Option<PrivateKey>>,
}

impl Keys {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::for_purpose(seed, "keys");
        let ed25519 = SigningKey::from_bytes(&dice.bytes());
        Self(Arc::new(Inner { ed25519, rsa_seed: dice.bytes(), rsa: OnceLock::new() }))
    }

    /// The value of `X-GHL-Signature`.
    pub fn sign_ed25519(&self, body: &[u8]) -> String {
        STANDARD.encode(self.0.ed25519.sign(body).to_bytes())
    }

    /// The value of `x-wh-signature`: PKCS#1 v1.5 with SHA-256. The first call makes the key, which blocks for a while.
    pub fn sign_rsa(&self, body: &[u8]) -> Result<String, Error> {
        let signature = self.rsa()?.pkcs1v15_sign::<Sha256>(body).map_err(|_opaque| Error::Key)?;
        Ok(STANDARD.encode(signature))
    }

    pub fn ed25519_public_pem(&self) -> Result<String, Error> {
        self.0.ed25519.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|_opaque| Error::Key)
    }

    /// The first call makes the key, which blocks for a while.
    pub fn rsa_public_pem(&self) -> Result<String, Error> {
        self.rsa()?.to_public_key().to_public_key_pem(LineEnding::LF).map_err(|_opaque| Error::Key)
    }

    fn rsa(&self) -> Result<&PrivateKey, Error> {
        let make = || PrivateKey::new(&mut StdRng::from_seed(self.0.rsa_seed), RSA_BITS).ok();
        self.0.rsa.get_or_init(make).as_ref().ok_or(Error::Key)
    }
}
