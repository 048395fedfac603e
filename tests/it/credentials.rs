//! A location that is mirrored by way of the marketplace app, as whoever runs the mirror sees it.

use anyhow::Context as _;
use reqwest::redirect::Policy;
use tests::system::{System, SystemSettings};
use tests::typed::shown;
use tests::wait::eventually;
use toml::toml;

const NEW: &str = "new:ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";
const OLD: &str = "test:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

async fn typed(system: &System, line: &str) -> anyhow::Result<String> {
    Ok(shown(system, line).await?.is(0)?.out)
}

/// The poller is the app, and no location is listed.
async fn with_the_app(settings: SystemSettings) -> anyhow::Result<System> {
    let mut system = System::start(settings).await?;
    let (app, app_id) = (sandbox::AppSettings::default(), system.sandbox.agency().app_id());
    let (client_id, client_secret, redirect_uri) = (app.client_id, app.client_secret, app.redirect_uri);
    let authorize_url = format!("{}/oauth/chooselocation", system.sandbox.base_url());
    system.stop_service("poller").await?;
    system.change_settings(
        "poller",
        toml! {
            locations = []
            oauth = { check_interval = "100ms", least_age = "0s", app = { client_id = client_id, client_secret = client_secret, app_id = app_id, redirect_uri = redirect_uri, authorize_url = authorize_url } }
            lease = { renew_interval = "200ms" }
        },
    );
    system.start_service("poller")?;
    Ok(system)
}

/// What a person does in a browser.
async fn install(system: &System) -> anyhow::Result<()> {
    let browser = reqwest::Client::builder().redirect(Policy::none()).build()?;
    let header = |answer: &reqwest::Response, name: &str| {
        answer
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
            .with_context(|| format!("{name} in {}", answer.status()))
    };
    let poller = system.address("poller", "http")?;
    let start = eventually("the poller's page", async || {
        browser.get(format!("{poller}/oauth/start")).send().await.map_err(|error| error.to_string())
    })
    .await?;
    let cookie = header(&start, "set-cookie")?;
    let chosen = format!("{}&choose={}", header(&start, "location")?, system.sandbox.location_id());
    let back = header(&browser.get(chosen).send().await?, "location")?;
    let (_, query) = back.split_once('?').context("a query")?;
    let callback = browser.get(format!("{poller}/oauth/callback?{query}"));
    let answer = callback.header("cookie", cookie.split(';').next().unwrap_or_default()).send().await?;
    anyhow::ensure!(answer.status().is_success(), "{}", answer.status());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_is_listed_survives_a_new_key_and_is_red_when_it_is_dead() -> anyhow::Result<()> {
    let mut system = with_the_app(SystemSettings::new("credentials").contacts(6).sealed()).await?;
    install(&system).await?;
    system.in_sync().await?;
    let listed = typed(&system, "credentials list").await?;
    let location = system.sandbox.location_id().to_owned();
    assert!(listed.contains(&location) && listed.contains("active") && listed.contains("  test"), "{listed}");

    let keys = format!("{NEW}\n{OLD}");
    for service in ["poller", "mapper", "writer", "admin"] {
        let kek = keys.clone();
        system.stop_service(service).await?;
        system.change_settings(service, toml! { log = { kek = kek } });
        system.start_service(service)?;
    }
    let rotated = eventually("the admin service is there again", async || {
        typed(&system, "credentials rotate-kek").await.map_err(|error| error.to_string())
    })
    .await?;
    assert_eq!(
        rotated,
        "6 of 6 keys of contacts were wrapped anew\ntokens of 1 installations and locations were sealed anew\nnew is the key of all of them now\n"
    );
    assert!(typed(&system, "keys rotate").await?.starts_with("0 of 6 keys"), "both do the same");
    for service in ["poller", "mapper", "writer", "admin"] {
        system.stop_service(service).await?;
        system.change_settings(service, toml! { log = { kek = NEW } });
        system.start_service(service)?;
    }
    system.sandbox.agency().expire_access_tokens();
    let contact = system.world().contact_ids().pop().context("a contact")?;
    let changed = system.world().update_contact(&contact, &serde_json::json!({"city": "Lyon"}), sandbox::Webhook::Sent);
    anyhow::ensure!(changed.is_ok(), "not changed");
    system.in_sync().await?;
    assert_eq!(system.sandbox.agency().oauth_stats().refreshed, 1, "with the refresh token that was sealed anew");

    system.sandbox.agency().uninstall(&location, sandbox::Webhook::Lost);
    let wanted =
        format!("location {location}: GHL does not accept the refresh token; install the app again: open http://127.0.0.1/oauth/start");
    eventually("status tells of it", async || {
        let told = typed(&system, "status").await.map_err(|error| error.to_string())?;
        if told.lines().any(|line| line == wanted) { Ok(()) } else { Err(told) }
    })
    .await?;
    assert!(typed(&system, "credentials list").await?.contains("dead"));
    system.stop().await
}
