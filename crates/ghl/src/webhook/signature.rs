//! Signatures over the bytes of a webhook as they arrived.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePublicKey;
use rsa::pkcs1v15;
use rsa::signature::Verifier as _;

/// GHL's key for `X-GHL-Signature`, as its webhook guide prints it.
pub const VENDOR_ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=
-----END PUBLIC KEY-----
";

/// GHL's key for `x-wh-signature`, as its repository prints it.
pub const VENDOR_RSA_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAokvo/r9tVgcfZ5DysOSC
Frm602qYV0MaAiNnX9O8KxMbiyRKWeL9JpCpVpt4XHIcBOK4u3cLSqJGOLaPuXw6
dO0t6Q/ZVdAV5Phz+ZtzPL16iCGeK9po6D6JHBpbi989mmzMryUnQJezlYJ3DVfB
csedpinheNnyYeFXolrJvcsjDtfAeRx5ByHQmTnSdFUzuAnC9/GepgLT9SM4nCpv
uxmZMxrJt5Rw+VUaQ9B8JSvbMPpez4peKaJPZHBbU3OdeCVx5klVXXZQGNHOs8gF
3kvoV5rTnXV0IknLBXlcKKAQLZcY/Q9rG6Ifi9c+5vqlvHPCUJFT5XUGG5RKgOKU
J062fRtN+rLYZUV+BjafxQauvC8wSWeYja63VSUruvmNj8xkx2zE/Juc+yjLjTXp
IocmaiFeAO6fUtNjDeFVkhf5LNb59vECyrHD2SQIrhgXpO4Q3dVNA5rw576PwTzN
h/AMfHKIjE4xQA1SZuYJmNnmVZLIZBlQAF9Ntd03rfadZ+yDiOXCCs9FkHibELhC
HULgCsnuDJHcrGNd5/Ddm5hxGQ0ASitgHeMZ0kcIOwKDOzOU53lDza6/Y09T7sYJ
PQe7z0cvj7aE4B+Ax1ZoZGPzpJlZtGXCsu9aTEGEnKzmsFqwcSsnw3JB31IGKAyk
T1hhTiaCeIY/OwwwNUY2yvcCAwEAAQ==
-----END PUBLIC KEY-----
";

/// The signature headers of a webhook.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signatures<'a> {
    /// `X-GHL-Signature`.
    pub ghl: Option<&'a str>,
    /// `x-wh-signature`.
    pub wh: Option<&'a str>,
}

/// Which signature was valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Ed25519,
    Rsa,
}

/// Nothing shows that a webhook is GHL's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forged {
    #[error("no signature")]
    Unsigned,
    #[error("wrong signature")]
    WrongSignature,
}

/// A configured key that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("not an Ed25519 public key in PEM")]
    Ed25519,
    #[error("not an RSA public key in PEM")]
    Rsa,
}

/// Recognises GHL's webhooks by their signatures. Several keys at a time allow rotation.
#[derive(Debug)]
pub struct Verifier {
    ed25519: Vec<ed25519_dalek::VerifyingKey>,
    rsa: Vec<pkcs1v15::VerifyingKey<sha2::Sha256>>,
}

impl Verifier {
    /// Without RSA keys the legacy signature is ignored.
    ///
    /// # Errors
    /// Names the kind of the key that cannot be read.
    pub fn new<P: AsRef<str>>(ed25519_pems: &[P], rsa_pems: &[P]) -> Result<Self, BadKey> {
        let ed25519 = |pem: &P| ed25519_dalek::VerifyingKey::from_public_key_pem(pem.as_ref().trim()).map_err(|_| BadKey::Ed25519);
        let rsa = |pem: &P| {
            let key = rsa::PublicKey::from_public_key_pem(pem.as_ref().trim()).map_err(|_| BadKey::Rsa)?;
            Ok(pkcs1v15::VerifyingKey::new(key))
        };
        Ok(Self {
            ed25519: ed25519_pems.iter().map(ed25519).collect::<Result<_, _>>()?,
            rsa: rsa_pems.iter().map(rsa).collect::<Result<_, _>>()?,
        })
    }

    /// Checks the newer signature if there is one, and never falls back: a wrong one beside a valid older one is a forgery.
    ///
    /// # Errors
    /// `Unsigned` when there was nothing to check, `WrongSignature` when it does not fit.
    pub fn verify(&self, signatures: Signatures<'_>, body: &[u8]) -> Result<Scheme, Forged> {
        if let Some(signature) = signed(signatures.ghl) {
            let good = STANDARD.decode(signature).is_ok_and(|bytes| self.is_ed25519(&bytes, body));
            return if good { Ok(Scheme::Ed25519) } else { Err(Forged::WrongSignature) };
        }
        match signed(signatures.wh) {
            Some(signature) if !self.rsa.is_empty() => {
                let good = STANDARD.decode(signature).is_ok_and(|bytes| self.is_rsa(&bytes, body));
                if good { Ok(Scheme::Rsa) } else { Err(Forged::WrongSignature) }
            }
            Some(_) | None => Err(Forged::Unsigned),
        }
    }

    fn is_ed25519(&self, signature: &[u8], body: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.ed25519.iter().any(|key| key.verify_strict(body, &signature).is_ok()))
    }

    fn is_rsa(&self, signature: &[u8], body: &[u8]) -> bool {
        pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| self.rsa.iter().any(|key| key.verify(body, &signature).is_ok()))
    }
}

/// GHL has been seen to write `N/A` where it did not sign.
fn signed(header: Option<&str>) -> Option<&str> {
    header.map(str::trim).filter(|value| !value.is_empty() && *value != "N/A")
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer;
    use ed25519_dalek::pkcs8::EncodePublicKey;
    use rsa::signature::SignatureEncoding;

    use super::*;

    const BODY: &[u8] = b"{\"type\": \"ContactCreate\",  \"id\":\"c-1\"}";

    struct Keys {
        ed25519: ed25519_dalek::SigningKey,
        rsa: pkcs1v15::SigningKey<sha2::Sha256>,
        verifier: Verifier,
    }

    fn keys() -> Keys {
        let ed25519 = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let ed25519_pem = ed25519.verifying_key().to_public_key_pem(Default::default()).unwrap();
        let rsa = rsa::PrivateKey::new(&mut rand::rng(), 2048).unwrap();
        let rsa_pem = rsa.to_public_key().to_public_key_pem(Default::default()).unwrap();
        Keys { ed25519, rsa: pkcs1v15::SigningKey::new(rsa), verifier: Verifier::new(&[ed25519_pem], &[rsa_pem]).unwrap() }
    }

    #[test]
    fn the_bytes_as_they_arrived_are_what_is_signed() {
        let keys = keys();
        let ghl = STANDARD.encode(keys.ed25519.sign(BODY).to_bytes());
        let wh = STANDARD.encode(keys.rsa.sign(BODY).to_bytes());
        let verify = |ghl: Option<&str>, wh: Option<&str>, body: &[u8]| keys.verifier.verify(Signatures { ghl, wh }, body);

        assert_eq!(verify(Some(&ghl), None, BODY), Ok(Scheme::Ed25519));
        assert_eq!(verify(None, Some(&wh), BODY), Ok(Scheme::Rsa));
        assert_eq!(verify(Some("N/A"), Some(&wh), BODY), Ok(Scheme::Rsa), "N/A is not a signature");
        let respaced = b"{\"type\":\"ContactCreate\",\"id\":\"c-1\"}";
        assert_eq!(verify(Some(&ghl), None, respaced), Err(Forged::WrongSignature));
        assert_eq!(verify(None, Some(&wh), respaced), Err(Forged::WrongSignature));
        assert_eq!(verify(Some("bm9uc2Vuc2U="), Some(&wh), BODY), Err(Forged::WrongSignature), "no way back to the older signature");
        assert_eq!(verify(Some("not base64!"), None, BODY), Err(Forged::WrongSignature));
        assert_eq!(verify(None, None, BODY), Err(Forged::Unsigned));
        assert_eq!(verify(Some("N/A"), Some("N/A"), BODY), Err(Forged::Unsigned));
    }

    #[test]
    fn case_33_the_newer_signature_decides_wherever_there_is_one() {
        let case = include_str!("../../../../tests/cases/33-signature-over-the-bytes-as-sent.json");
        let case: serde_json::Value = serde_json::from_str(case).unwrap();
        let body = case["input"]["deliveries"][0]["body_text"].as_str().unwrap().as_bytes();
        let keys = keys();
        let (ghl, wh) = (STANDARD.encode(keys.ed25519.sign(body).to_bytes()), STANDARD.encode(keys.rsa.sign(body).to_bytes()));
        let (wrong_ghl, wrong_wh) = (STANDARD.encode(keys.ed25519.sign(BODY).to_bytes()), STANDARD.encode(keys.rsa.sign(BODY).to_bytes()));
        let verify = |ghl: Option<&str>, wh: Option<&str>| keys.verifier.verify(Signatures { ghl, wh }, body);
        assert_eq!(verify(Some(&ghl), None), Ok(Scheme::Ed25519));
        assert_eq!(verify(Some(&ghl), Some(&wrong_wh)), Ok(Scheme::Ed25519));
        assert_eq!(verify(None, Some(&wh)), Ok(Scheme::Rsa));
        assert_eq!(verify(Some(&wrong_ghl), Some(&wh)), Err(Forged::WrongSignature));
        assert_eq!(verify(None, None), Err(Forged::Unsigned));
    }

    #[test]
    fn the_older_signature_counts_only_when_enabled() {
        let keys = keys();
        let wh = STANDARD.encode(keys.rsa.sign(BODY).to_bytes());
        let without = Verifier::new(&[VENDOR_ED25519_PEM], &[]).unwrap();
        assert_eq!(without.verify(Signatures { ghl: None, wh: Some(&wh) }, BODY), Err(Forged::Unsigned));
    }

    #[test]
    fn the_vendor_keys_can_be_read_and_refuse_signatures_of_others() {
        let vendor = Verifier::new(&[VENDOR_ED25519_PEM], &[VENDOR_RSA_PEM]).unwrap();
        let keys = keys();
        let ghl = STANDARD.encode(keys.ed25519.sign(BODY).to_bytes());
        assert_eq!(vendor.verify(Signatures { ghl: Some(&ghl), wh: None }, BODY), Err(Forged::WrongSignature));
    }

    #[test]
    fn a_key_that_cannot_be_read_is_named() {
        assert_eq!(Verifier::new(&["nonsense"], &[]).err(), Some(BadKey::Ed25519));
        assert_eq!(Verifier::new(&[], &[VENDOR_ED25519_PEM]).err(), Some(BadKey::Rsa));
    }
}
