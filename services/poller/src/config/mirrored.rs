//! The settings of which locations are mirrored, explained in `config.default.toml`.

use serde::{Deserialize, Serialize};
use settings::Period;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirroredSettings {
    pub token_files_interval: Period,
    pub retired_interval: Period,
}
