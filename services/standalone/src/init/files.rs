//! What `init` writes: the settings, the token beside them, and the generated keys in the data directory. Nothing that is there is
//! overwritten unless that is wished.

use std::path::{Path, PathBuf, absolute};

use anyhow::Context as _;
use domain::LocationId;

use crate::cli::InitArgs;
use crate::failure::Failure;
use crate::installation::directory;
use crate::installation::secrets::{Secrets, write_file};
use crate::settings::{Settings, VENDOR_URL};

pub(super) struct Files {
    pub(super) config: PathBuf,
    pub(super) token: PathBuf,
    pub(super) data: PathBuf,
}

impl Files {
    /// # Errors
    /// `Declined` when one of them is there and `--force` is not given.
    pub(super) fn beside(args: &InitArgs) -> Result<Self, Failure> {
        let config = absolute(&args.config).context("finding the folder of the settings")?;
        let folder = config.parent().unwrap_or_else(|| Path::new("/"));
        if !folder.is_dir() {
            return Err(Failure::Usage(format!("{} is no folder: make it first", folder.display())));
        }
        let token = folder.join("ghl-token");
        let data = match &args.data {
            Some(data) => absolute(data).context("finding the data directory")?,
            None => folder.join("data"),
        };
        let there: Vec<String> =
            [&config, &token].into_iter().filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
        if !there.is_empty() && !args.force {
            return Err(Failure::Declined(format!(
                "{} exists already and is left as it is: give another --config, or --force to overwrite",
                there.join(" and ")
            )));
        }
        Ok(Self { config, token, data })
    }

    /// The settings last: where they are, everything they name is.
    pub(super) fn write(&self, location_id: &LocationId, token: &str, settings: &Settings) -> Result<(), Failure> {
        let _directory = directory::lock(&self.data)?;
        Secrets::of(&self.data)?;
        write_file(&self.token, format!("{token}\n").as_bytes())?;
        write_file(&self.config, self.text(location_id, settings).as_bytes())?;
        Ok(())
    }

    fn text(&self, location_id: &LocationId, settings: &Settings) -> String {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let path = |path: &Path| quoted(&path.display().to_string());
        let mut text = format!(
            "# Written by `standalone init`. services/standalone/config.default.toml explains every key.\n\
             data = {}\n\n[[locations]]\nid = {}\ntoken_file = {}\n",
            path(&self.data),
            quoted(location_id.as_str()),
            path(&self.token),
        );
        if settings.ghl.base_url.as_str().trim_end_matches('/') != VENDOR_URL {
            text += &format!("\n[ghl]\nbase_url = {}\n", quoted(settings.ghl.base_url.as_str()));
        }
        text
    }
}
