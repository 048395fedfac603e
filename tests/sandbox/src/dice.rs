//! Numbers that look random and are the same for the same seed, on every machine and for ever.

/// `SplitMix64`: small, and no dependency's next version can change what it rolls.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice for one purpose, so that rolls for another do not shift these.
    pub(crate) fn for_purpose(seed: u64, purpose: &str) -> Self {
        let folded = purpose.bytes().fold(seed, |so_far, byte| mix(so_far ^ u64::from(byte)));
        Self(folded)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// Below `limit`; 0 when there is nothing to choose from.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.roll() % limit).unwrap_or(0)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = usize::try_from(high.saturating_sub(low)).unwrap_or(0).saturating_add(1);
        low.saturating_add(i64::try_from(self.below(width)).unwrap_or(0))
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are kept, more than a share needs")]
        let point = (self.roll() >> 11) as f64 / (1_u64 << 53) as f64;
        point < share
    }

    /// One of the pool; the default value when the pool is empty.
    pub(crate) fn pick<T: Copy + Default>(&mut self, pool: &[T]) -> T {
        pool.get(self.below(pool.len())).copied().unwrap_or_default()
    }

    pub(crate) fn shuffle<T>(&mut self, rows: &mut [T]) {
        for last in (1..rows.len()).rev() {
            let other = self.below(last + 1);
            rows.swap(last, other);
        }
    }

    /// 20 letters and digits, as GHL's ids are.
    pub(crate) fn id(&mut self) -> String {
        const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        (0..20).map(|_| char::from(self.pick(LETTERS))).collect()
    }

    /// As long as GHL's opaque tokens are.
    pub(crate) fn token(&mut self) -> String {
        format!("{}{}", self.id(), self.id())
    }

    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!("{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", high >> 32, (high >> 16) & 0xFFFF, high & 0xFFF, low >> 52, low & 0xFFFF_FFFF_FFFF)
    }

    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.roll().to_le_bytes());
        }
        bytes
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
