//! The commented default settings are the documentation: they name every key there is.

use chassis::Settings;
use serde::Serialize;
use toml::{Table, Value};

/// Keys of `whole` that `told` does not name.
fn untold(whole: &Table, told: &Table, path: &str) -> Vec<String> {
    let mut missing = Vec::new();
    for (key, value) in whole {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (value, told.get(key)) {
            (Value::Table(whole), Some(Value::Table(told))) => missing.extend(untold(whole, told, &path)),
            (_, Some(_)) => {}
            (_, None) => missing.push(path),
        }
    }
    missing
}

fn check<C: Settings + Serialize>() -> anyhow::Result<Vec<String>> {
    let told: Table = C::DEFAULTS.parse()?;
    let config: C = told.clone().try_into()?;
    let whole = Table::try_from(config)?;
    Ok(untold(&whole, &told, "").into_iter().map(|key| format!("{}: {key}", C::SERVICE)).collect())
}

#[test]
fn the_default_settings_name_every_key() -> anyhow::Result<()> {
    let missing: Vec<String> = [
        check::<poller::Config>()?,
        check::<mapper::Config>()?,
        check::<writer::Config>()?,
        check::<bridge::Config>()?,
        check::<admin::Config>()?,
    ]
    .concat();
    assert!(missing.is_empty(), "not in config.default.toml:\n{}", missing.join("\n"));
    Ok(())
}

fn is_bad_telemetry_named<C: Settings>() -> bool {
    let given = toml::toml! { telemetry.filter = "=,=" };
    let problems = chassis::load_table::<C>(&given, |defaults| defaults).err().unwrap_or_default();
    problems.contains(&"telemetry.filter must be a filter such as info,writer=debug".to_owned())
}

#[test]
fn every_service_checks_its_telemetry_settings() {
    let named = [
        is_bad_telemetry_named::<poller::Config>(),
        is_bad_telemetry_named::<mapper::Config>(),
        is_bad_telemetry_named::<writer::Config>(),
        is_bad_telemetry_named::<bridge::Config>(),
        is_bad_telemetry_named::<admin::Config>(),
    ];
    assert_eq!(named, [true; 5]);
}
