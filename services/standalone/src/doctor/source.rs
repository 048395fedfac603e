//! GHL with a location's token: whether it is accepted, which scopes it has, how large the location is, and what GHL's clock says.

use std::os::unix::fs::PermissionsExt as _;

use jiff::SignedDuration;
use poller::{Config, Found, LocationSettings, Survey};

use crate::doctor::finding::{Finding, Findings, State};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::survey;

pub(super) async fn examine(
    settings: &Settings,
    config: &Config,
    location: &LocationSettings,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let token = match location.read_token() {
        Ok(token) => token,
        Err(error) => {
            let cure = "write the location's token into that file";
            return findings.add(Finding::new(State::Broken, "token", format!("{error:#}")).cured_by(cure));
        }
    };
    if let Some(file) = &location.token_file
        && std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    {
        let says = format!("others may read {}", file.display());
        findings.add(Finding::new(State::Warning, "token", says).cured_by(format!("chmod 600 {}", file.display())))?;
    }
    let surveyed = match poller::survey(config, &location.id, token).await {
        Ok(surveyed) => surveyed,
        Err(error) => {
            let failure = survey::failure(error, &location.id, settings).to_string();
            return findings.add(Finding::new(State::Broken, "token", failure));
        }
    };
    findings.add(Finding::ok("token", format!("GHL accepts that of location {}", location.id)))?;
    scopes(&surveyed, findings)?;
    size(&surveyed, findings)?;
    if let Some(ahead) = surveyed.ahead {
        clock("GHL's clock", ahead, settings, findings)?;
    }
    Ok(())
}

fn scopes(surveyed: &Survey, findings: &mut Findings) -> Result<(), Failure> {
    let mut answered = 0;
    for need in &surveyed.needs {
        let says = |how: &str| format!("{} {how} for {}: {}", need.scope, need.area.as_str().replace('_', " "), need.cost);
        let state = if need.area == ghl::Area::Contacts { State::Broken } else { State::Warning };
        match need.found {
            Found::Answered => answered += 1,
            Found::Refused => {
                let cure = "tick it at GHL in this location under Settings, Private Integrations; what was missed is then read by itself";
                findings.add(Finding::new(state, "scope", says("is missing")).cured_by(cure))?;
            }
            Found::Failing => {
                findings.add(
                    Finding::new(state, "scope", says("gets no answer"))
                        .cured_by("ask again; status.gohighlevel.com says whether GHL has trouble"),
                )?;
            }
            Found::NotAsked => {}
        }
    }
    findings.add(Finding::ok("scope", format!("{answered} of {} questions are answered", surveyed.needs.len())))
}

fn size(surveyed: &Survey, findings: &mut Findings) -> Result<(), Failure> {
    let finding = match &surveyed.zone {
        Some(zone) => Finding::ok("time zone", zone.clone()),
        None => Finding::new(State::Warning, "time zone", "not known: local times stay texts")
            .cured_by("set it at GHL under Settings, Business Profile"),
    };
    findings.add(finding)?;
    match surveyed.contacts {
        Some(contacts) => findings.add(Finding::ok("size", format!("{contacts} contacts"))),
        None => Ok(()),
    }
}

/// How far another clock is ahead of this one.
pub(super) fn clock(whose: &str, ahead: SignedDuration, settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    let says = format!("{whose} is {} s {} this one", ahead.abs().as_secs(), if ahead.is_negative() { "behind" } else { "ahead of" });
    let most = SignedDuration::try_from(*settings.doctor.clock_skew_max).unwrap_or(SignedDuration::MAX);
    if ahead.abs() <= most {
        return findings.add(Finding::ok("clock", says));
    }
    findings.add(Finding::new(State::Broken, "clock", says).cured_by("let chrony or systemd-timesyncd set the clock of this machine"))
}
