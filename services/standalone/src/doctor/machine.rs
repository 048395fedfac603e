//! The data directory, its keys and its disk.

use crate::doctor::finding::{Finding, Findings, State};
use crate::failure::Failure;
use crate::installation::directory;
use crate::installation::secrets::Secrets;
use crate::settings::Settings;

pub(super) struct Machine {
    /// Whether `up` runs on the data directory.
    pub(super) is_running: bool,
    /// None before the first start.
    pub(super) secrets: Option<Secrets>,
}

pub(super) fn examine(settings: &Settings, findings: &mut Findings) -> Result<Machine, Failure> {
    let data = settings.data.display();
    if !settings.data.is_dir() {
        let says = format!("{data} is not there yet");
        findings.add(Finding::new(State::Warning, "data", says).cured_by("`standalone up` makes it"))?;
        return Ok(Machine { is_running: false, secrets: None });
    }
    let is_running = match directory::lock(&settings.data) {
        Ok(_) => false,
        Err(Failure::Unavailable(_)) => true,
        Err(failure) => {
            findings.add(Finding::new(State::Broken, "data", failure.to_string()).cured_by("give this user the data directory"))?;
            return Ok(Machine { is_running: false, secrets: None });
        }
    };
    let secrets = match Secrets::known(&settings.data) {
        Ok(Some(secrets)) if secrets.kek_file.exists() => {
            findings.add(Finding::ok("data", format!("{data}, with its keys")))?;
            Some(secrets)
        }
        Ok(Some(secrets)) => {
            let cure = "bring back the file from a copy: without it nothing that was sealed can be read";
            findings.add(Finding::new(State::Broken, "data", format!("{} is missing", secrets.kek_file.display())).cured_by(cure))?;
            Some(secrets)
        }
        Ok(None) => {
            findings.add(Finding::new(State::Warning, "data", format!("{data} has no keys yet")).cured_by("`standalone up` makes them"))?;
            None
        }
        Err(error) => {
            findings.add(
                Finding::new(State::Broken, "data", format!("{error:#}")).cured_by("give this user the file, or bring it back from a copy"),
            )?;
            None
        }
    };
    disk(settings, findings)?;
    Ok(Machine { is_running, secrets })
}

fn disk(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    let finding = match rustix::fs::statvfs(&settings.data) {
        Ok(disk) => {
            let free = disk.f_bavail as f64 / (disk.f_blocks as f64).max(1.0);
            let gib = disk.f_bavail.saturating_mul(disk.f_frsize) / (1 << 30);
            let says = format!("{gib} GiB are free, {:.0} %", (free * 100.0).floor());
            if free >= settings.doctor.disk_free_min {
                Finding::ok("disk", says)
            } else {
                let least = settings.doctor.disk_free_min * 100.0;
                Finding::new(State::Broken, "disk", format!("{says}; {least:.0} % must be (doctor.disk_free_min)"))
                    .cured_by("make room, or give it a larger disk")
            }
        }
        Err(error) => Finding::new(State::Warning, "disk", format!("cannot be asked: {error}")),
    };
    findings.add(finding)
}
