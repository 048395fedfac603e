//! The marketplace app, from the browser of whoever installs it to the events of the locations that have it.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::{Arc, Mutex};

use domain::{ContactId, LocationId};
use eventlog::{CredentialOwner, CredentialState, EventLog};
use proto::source::v1 as api;
use proto::source::v1::source_client::SourceClient;
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode, Url};
use sandbox::{Limits, Sandbox, Settings, Webhook, World};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::fixture::{Ghl, PollerFixture, eventually};

const KEK: &str = "one:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// A refused token shows soon.
const WATCHFUL: &str = "watch.interval = \"300ms\"\n";

/// A sandbox's agency that has the app on offer, a poller that is the app, and a browser.
struct AppFixture {
    sandbox: Sandbox,
    fixture: PollerFixture,
    browser: reqwest::Client,
}

impl AppFixture {
    async fn open(name: &str, locations: usize, more: &str) -> Self {
        let settings = Settings { limits: Limits::none(), locations, ..Settings::default() };
        let sandbox = Sandbox::start(settings).await.unwrap();
        for world in sandbox.agency().worlds() {
            world.populate(7, 3);
            world.settle_search();
        }
        let app = sandbox::AppSettings::default();
        let settings = format!(
            "log.kek = \"{KEK}\"\nlease.renew_interval = \"100ms\"\noauth.check_interval = \"100ms\"\noauth.least_age = \"0s\"\n\
             oauth.app.client_id = \"{}\"\noauth.app.client_secret = \"{}\"\noauth.app.app_id = \"{}\"\n\
             oauth.app.redirect_uri = \"{}\"\noauth.app.authorize_url = \"{}/oauth/chooselocation\"\n{more}",
            app.client_id,
            app.client_secret,
            sandbox.agency().app_id(),
            app.redirect_uri,
            sandbox.base_url(),
        );
        let ghl = Ghl {
            base_url: sandbox.base_url(),
            location_id: sandbox.location_id().to_owned(),
            token: String::new(),
            pem: sandbox.ed25519_public_pem().unwrap(),
        };
        let fixture = PollerFixture::start_over(name, ghl, &settings).await;
        sandbox.world().send_webhooks_to(Some(format!("{}/webhooks/ghl", fixture.http).parse().unwrap()));
        let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
        Self { sandbox, fixture, browser }
    }

    /// Opens `/oauth/start`; returns where it redirects the browser to, and the cookie it sets.
    async fn start(&self) -> (Url, String) {
        let answer = self.browser.get(format!("{}/oauth/start", self.fixture.http)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        (redirect_of(&answer), cookie.split(';').next().unwrap().to_owned())
    }

    /// Chooses a location at GHL as a person does; returns the query of the redirect.
    async fn choose(&self, mut at: Url, id: &str) -> String {
        at.query_pairs_mut().append_pair("choose", id);
        let answer = self.browser.get(at).send().await.unwrap();
        let back = redirect_of(&answer);
        assert!(back.as_str().starts_with(&sandbox::AppSettings::default().redirect_uri), "{back}");
        back.query().unwrap().to_owned()
    }

    async fn bring(&self, query: &str, cookie: &str) -> StatusCode {
        let callback = format!("{}/oauth/callback?{query}", self.fixture.http);
        self.browser.get(callback).header("cookie", cookie).send().await.unwrap().status()
    }

    /// The whole installation, from start to callback.
    async fn install(&self, id: &str) -> String {
        let (at, cookie) = self.start().await;
        let query = self.choose(at, id).await;
        assert_eq!(self.bring(&query, &cookie).await, StatusCode::OK);
        query
    }

    fn location(&self, number: usize) -> (World, LocationId) {
        let world = self.sandbox.agency().worlds()[number].clone();
        let id = LocationId::new(world.location_id()).unwrap();
        (world, id)
    }

    async fn state(&self, id: &LocationId) -> Option<CredentialState> {
        let owner = CredentialOwner::Location(id.clone());
        let credentials = self.fixture.log.credentials().list().await.unwrap();
        credentials.into_iter().find(|credential| credential.owner == owner).map(|credential| credential.state)
    }

    async fn until_state(&self, id: &LocationId, wanted: CredentialState) {
        eventually(&format!("{id} {wanted:?}"), || async { (self.state(id).await == Some(wanted)).then_some(()) }).await;
    }

    async fn held(&self) -> BTreeSet<LocationId> {
        let log = &self.fixture.log;
        let mut held = BTreeSet::new();
        for location in log.locations().list().await.unwrap() {
            if log.leases().holder_address(&location.location_id).await.unwrap().is_some() {
                held.insert(location.location_id);
            }
        }
        held
    }

    async fn until_held(&self, wanted: &[&LocationId]) {
        let wanted: BTreeSet<LocationId> = wanted.iter().map(|id| (*id).clone()).collect();
        eventually(&format!("{wanted:?} held"), || async { (self.held().await == wanted).then_some(()) }).await;
    }

    async fn until_mirrored(&self, id: &LocationId) {
        let backfilled = || async { self.fixture.log.passes().progress(id).await.ok()?.backfill.finished_at };
        eventually(&format!("{id} backfilled"), backfilled).await;
        let known = self.fixture.log.answers().overview().await.unwrap().into_iter().find(|overview| overview.location_id == *id).unwrap();
        assert_eq!(known.present(domain::RecordKind::Contact), 3);
    }

    /// Changes a contact, which sends a webhook, and waits until the log has the change.
    async fn until_a_change_arrives(&self, world: &World, id: &LocationId) {
        let contact = world.contact_ids().pop().unwrap();
        let who = ContactId::new(&contact).unwrap();
        let events =
            || async { self.fixture.log.answers().history(id, &who, &eventlog::EventFilter::default(), None, 1_000).await.unwrap().len() };
        let before = events().await;
        world.update_contact(&contact, &json!({"city": format!("City {before}")}), Webhook::Sent).unwrap();
        eventually("the change", || async { (events().await > before).then_some(()) }).await;
    }

    async fn close(self) {
        self.fixture.stop().await;
        self.sandbox.stop().await;
    }
}

fn redirect_of(answer: &Response) -> Url {
    assert!(answer.status().is_redirection(), "{}", answer.status());
    answer.headers()["location"].to_str().unwrap().parse().unwrap()
}

fn signed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("authorization", "Bearer control".parse().unwrap());
    request
}

/// Collects the log lines.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The access and the refresh token stored for a location.
async fn tokens(app: &AppFixture, id: &LocationId) -> [String; 2] {
    let settings = eventlog::Settings { kek: SecretString::from(KEK), ..app.fixture.log_settings() };
    let log = EventLog::connect(&settings).await.unwrap();
    let (_, tokens) = log.credentials().find(&CredentialOwner::Location(id.clone())).await.unwrap().unwrap();
    let tokens = tokens.unwrap();
    [tokens.access.expose_secret().to_owned(), tokens.refresh.unwrap().expose_secret().to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_may_begin_at_another_host_than_the_callback_s() {
    let app = AppFixture::open("oauth-other-host", 1, "").await;
    let (_, id) = app.location(0);
    let start = |host: &'static str| app.browser.get(format!("{}/oauth/start", app.fixture.http)).header("host", host).send();
    let same = app.choose(redirect_of(&start("127.0.0.1:7103").await.unwrap()), id.as_str()).await;
    assert_eq!(app.bring(&same, "none=1").await, StatusCode::FORBIDDEN, "a browser that has the cookie has to bring it");
    let other = app.choose(redirect_of(&start("ops.internal:7103").await.unwrap()), id.as_str()).await;
    assert_eq!(app.bring(&other, "none=1").await, StatusCode::OK);
    assert_eq!(app.bring(&other, "none=1").await, StatusCode::FORBIDDEN, "once");
    app.fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_installs_the_app_is_mirrored_and_no_token_leaks() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let app = AppFixture::open("oauth-install", 1, WATCHFUL).await;
    let (world, id) = app.location(0);
    let brought = app.install(id.as_str()).await;
    app.until_mirrored(&id).await;
    app.until_held(&[&id]).await;
    app.until_a_change_arrives(&world, &id).await;
    let mut secrets: Vec<String> = tokens(&app, &id).await.to_vec();

    app.sandbox.agency().expire_access_tokens();
    app.until_a_change_arrives(&world, &id).await;
    assert_eq!(app.sandbox.agency().oauth_stats().refreshed, 1);
    secrets.extend(tokens(&app, &id).await);
    secrets.push(sandbox::AppSettings::default().client_secret);
    let brought = Url::parse(&format!("http://127.0.0.1/?{brought}")).unwrap();
    secrets.extend(brought.query_pairs().map(|(_, value)| value.into_owned()));

    let mut source = SourceClient::connect(app.fixture.grpc.clone()).await.unwrap();
    let listed = source.list_credentials(signed(api::ListCredentialsRequest {})).await.unwrap().into_inner().credentials;
    assert_eq!((listed.len(), listed[0].state.as_str(), listed[0].kek_id.as_str()), (1, "active", "one"));
    // Each place must have content, or finding no token there proves nothing.
    app.sandbox.agency().uninstall(id.as_str(), Webhook::Lost);
    app.until_state(&id, CredentialState::Dead).await;
    let answered = format!("{listed:?}{}", app.fixture.to_mend().await);
    let told = String::from_utf8_lossy(&lines.0.lock().unwrap()).into_owned() + &answered;
    for line in ["app is installed", "tokens are renewed", "app has to be installed again"] {
        assert!(told.contains(line), "{line}");
    }
    assert_eq!(secrets.len(), 7);
    for secret in secrets {
        assert!(secret.len() > 8 && !told.contains(&secret), "it is told");
    }
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_did_not_start_in_this_browser_installs_nothing() {
    let app = AppFixture::open("oauth-state", 1, "").await;
    let (_, id) = app.location(0);
    let (at, cookie) = app.start().await;
    let (_, other_cookie) = app.start().await;
    let query = app.choose(at.clone(), id.as_str()).await;
    assert_eq!(app.bring(&query, "").await, StatusCode::FORBIDDEN, "in another browser");
    assert_eq!(app.bring(&query, &other_cookie).await, StatusCode::FORBIDDEN, "with the cookie of another start");
    let without_state = query.split('&').find(|pair| pair.starts_with("code=")).unwrap();
    assert_eq!(app.bring(without_state, &cookie).await, StatusCode::FORBIDDEN, "not begun here");
    assert_eq!(app.bring(&format!("{without_state}&state=one~AAAA"), &cookie).await, StatusCode::FORBIDDEN, "forged");
    assert_eq!(app.state(&id).await, None);

    assert_eq!(app.bring(&query, &cookie).await, StatusCode::OK);
    assert_eq!(app.state(&id).await, Some(CredentialState::Active));
    let again = app.choose(at.clone(), id.as_str()).await;
    assert_eq!(app.bring(&again, &cookie).await, StatusCode::FORBIDDEN, "a state is good once");
    assert_eq!(app.sandbox.agency().oauth_stats().exchanged, 1);
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_installs_for_its_locations_and_webhooks_add_and_retire_them() {
    let app = AppFixture::open("oauth-agency", 2, "").await;
    let ((first_world, first), (_, second)) = (app.location(0), app.location(1));
    app.install(app.sandbox.company_id()).await;
    app.until_mirrored(&first).await;
    app.until_mirrored(&second).await;
    app.until_a_change_arrives(&first_world, &first).await;

    let third_world = app.sandbox.agency().add_location().unwrap();
    let third = LocationId::new(third_world.location_id()).unwrap();
    app.until_held(&[&first, &second, &third]).await;
    third_world.populate(9, 3);
    third_world.settle_search();
    let contact = third_world.contact_ids().pop().unwrap();
    third_world.update_contact(&contact, &json!({"city": "Lyon"}), Webhook::Sent).unwrap();
    let who = ContactId::new(contact).unwrap();
    let seen = || async { app.fixture.log.answers().history(&third, &who, &eventlog::EventFilter::default(), None, 10).await.ok()?.pop() };
    eventually("the new location is mirrored", seen).await;

    // A hint that nobody will take: it comes while the app is being uninstalled.
    let bus = bus::Bus::connect(&bus::Settings { url: app.fixture.nats.url(), ..bus::Settings::default() }).await.unwrap();
    let subject = bus::Subject::hints(&second, None, "too late");
    app.sandbox.agency().uninstall(second.as_str(), Webhook::Sent);
    app.until_state(&second, CredentialState::Retired).await;
    app.until_held(&[&first, &third]).await;
    bus.publish(bus::Outgoing { subject, id: None, traceparent: None, body: b"{}".to_vec() }).await.unwrap();
    let mut left = vec![first.clone(), third.clone()];
    left.sort();
    let removed = || async {
        let mut with_hints = bus.locations_with_hints().await.unwrap();
        with_hints.sort();
        (with_hints == left).then_some(())
    };
    eventually("what it left on the bus is removed", removed).await;
    app.until_a_change_arrives(&first_world, &first).await;
    assert_eq!(app.fixture.to_mend().await, "", "nobody has to do anything");

    app.install(second.as_str()).await;
    app.until_held(&[&first, &second, &third]).await;
    app.sandbox.agency().uninstall_all(Webhook::Sent);
    for id in [&first, &second, &third] {
        app.until_state(id, CredentialState::Retired).await;
    }
    app.until_held(&[]).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_installation_webhook_is_made_up_for_by_asking_the_agency() {
    let app = AppFixture::open("oauth-lost", 1, "oauth.agency_interval = \"200ms\"\n").await;
    let (_, first) = app.location(0);
    app.install(app.sandbox.company_id()).await;
    app.sandbox.world().send_webhooks_to(None);
    let second = app.sandbox.agency().add_location().unwrap();
    let second = LocationId::new(second.location_id()).unwrap();
    app.until_held(&[&first, &second]).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_token_pauses_its_location_alone_and_says_what_to_do() {
    let app = AppFixture::open("oauth-dead", 2, WATCHFUL).await;
    let ((world, first), (_, second)) = (app.location(0), app.location(1));
    for id in [&first, &second] {
        app.install(id.as_str()).await;
        app.until_mirrored(id).await;
    }
    // Its tokens are revoked, without a webhook.
    app.sandbox.agency().uninstall(second.as_str(), Webhook::Lost);
    app.until_state(&second, CredentialState::Dead).await;
    let wanted =
        format!("location {second}: GHL does not accept the refresh token; install the app again: open http://127.0.0.1/oauth/start");
    eventually("told", || async { (app.fixture.to_mend().await == wanted).then_some(()) }).await;
    app.until_a_change_arrives(&world, &first).await;
    app.install(second.as_str()).await;
    eventually("mended", || async { app.fixture.to_mend().await.is_empty().then_some(()) }).await;
    app.until_state(&second, CredentialState::Active).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_spends_no_refresh_token() {
    let scopes = "watch.interval = \"300ms\"\nretry.scope_pause = \"50ms\"\nretry.scope_pause_max = \"100ms\"\n";
    let app = AppFixture::open("oauth-scope", 1, scopes).await;
    let (world, id) = app.location(0);
    app.install(id.as_str()).await;
    app.until_mirrored(&id).await;
    world.withhold("/tasks", 401);
    app.until_a_change_arrives(&world, &id).await;
    let told = eventually("told", || async { Some(app.fixture.to_mend().await).filter(|told| told.contains("tasks")) }).await;
    assert!(told.contains("install the app again"), "{told}");
    app.until_a_change_arrives(&world, &id).await;
    assert_eq!(app.sandbox.agency().oauth_stats().refreshed, 0);
    assert_eq!(app.state(&id).await, Some(CredentialState::Active));
    world.give_back();
    eventually("mended", || async { app.fixture.to_mend().await.is_empty().then_some(()) }).await;
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn case_31_a_location_that_is_not_active_is_seldom_asked_and_loses_nothing() {
    let app = AppFixture::open("case-31", 1, "watch.interval = \"300ms\"\nretry.token_pause = \"2s\"\n").await;
    let (world, id) = app.location(0);
    app.install(id.as_str()).await;
    app.until_mirrored(&id).await;
    app.sandbox.agency().set_active(id.as_str(), false);
    app.sandbox.agency().expire_access_tokens();
    app.until_state(&id, CredentialState::Inactive).await;
    let told = eventually("told", || async { Some(app.fixture.to_mend().await).filter(|told| told.contains("not active")) }).await;
    assert!(!told.contains("install the app again"), "{told}");
    let asked =
        || app.sandbox.agency().calls().iter().filter(|(call, _)| call.contains("/oauth/token")).map(|(_, count)| count).sum::<u64>();
    let (begun, before) = (std::time::Instant::now(), asked());
    // Each of its nets asks once after each pause at most.
    eventually("asked again and again", || async { (asked() >= before + 20).then_some(()) }).await;
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "{:?}", begun.elapsed());
    let overview = app.fixture.log.answers().overview().await.unwrap().into_iter().find(|overview| overview.location_id == id).unwrap();
    assert_eq!(overview.present(domain::RecordKind::Contact), 3, "nothing is concluded to be gone");
    app.sandbox.agency().set_active(id.as_str(), true);
    app.until_a_change_arrives(&world, &id).await;
    eventually("mended", || async { app.fixture.to_mend().await.is_empty().then_some(()) }).await;
    app.close().await;
}
