use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use domain::{ContactId, LocationId};
use embedded::{Postgres, PostgresSettings};
use eventlog::{EventLog, Settings};
use ghl::{AppSettings, Client, OAuth, Rate, Transport, Versions, Zone};
use sandbox::{Consent, Fault, FaultOrder, Limits, Sandbox, Webhook};
use secrecy::SecretString;
use settings::Period;

use super::*;
use crate::app::grants::install;
use crate::config::OAuthSettings;

struct TokenFixture {
    sandbox: Sandbox,
    postgres: Postgres,
    settings: Settings,
    location_id: LocationId,
    contact: ContactId,
}

impl TokenFixture {
    async fn start(name: &str, grace: Duration) -> Self {
        Self::with_tokens_for(name, grace, sandbox::AppSettings::default().access_lifetime).await
    }

    async fn with_tokens_for(name: &str, grace: Duration, access_lifetime: Duration) -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let data = embedded::scratch(&format!("{name}-postgres"));
        let postgres = Postgres::start(PostgresSettings { data, ..PostgresSettings::default() }).await.unwrap();
        postgres.create_database("log").await.unwrap();
        let kek = SecretString::from(format!("one:{}", "a".repeat(64)));
        let settings = Settings { url: postgres.url("log").into(), kek, ..Settings::default() };
        eventlog::migrate(&settings).await.unwrap();
        let mut sandbox = sandbox::Settings { limits: Limits::none(), ..sandbox::Settings::default() };
        sandbox.app.refresh_grace = grace;
        sandbox.app.access_lifetime = access_lifetime;
        let sandbox = Sandbox::start(sandbox).await.unwrap();
        sandbox.world().populate(7, 3);
        let location_id = LocationId::new(sandbox.location_id()).unwrap();
        let contact = ContactId::new(sandbox.world().contact_ids().pop().unwrap()).unwrap();
        Self { sandbox, postgres, settings, location_id, contact }
    }

    fn app(&self) -> AppSettings {
        let app = sandbox::AppSettings::default();
        AppSettings {
            client_id: app.client_id,
            client_secret: app.client_secret.into(),
            app_id: self.sandbox.agency().app_id(),
            redirect_uri: app.redirect_uri,
            authorize_url: format!("{}/oauth/chooselocation", self.sandbox.base_url()).parse().unwrap(),
            scopes: vec!["contacts.readonly".to_owned()],
            version: "2021-07-28".to_owned(),
            request_timeout: Period::from_secs(10),
        }
    }

    fn transport(&self) -> Transport {
        let settings = ghl::Settings {
            base_url: self.sandbox.base_url().parse().unwrap(),
            connect_timeout: Period::from_secs(5),
            request_timeout: Period::from_secs(20),
            body_bytes_max: NonZeroUsize::new(1 << 20).unwrap(),
            events_bytes_max: NonZeroUsize::new(1 << 20).unwrap(),
            legacy_contact_list: false,
            versions: Versions::default(),
            rate: Rate { calls_per_second: 1e6, window_calls_max: NonZeroU32::MAX, ..Rate::default() },
        };
        Transport::new(settings, Arc::new(|_| {})).unwrap()
    }

    fn owner(&self) -> CredentialOwner {
        CredentialOwner::Location(self.location_id.clone())
    }

    /// A process of its own, as far as tokens go.
    async fn replica(&self) -> (EventLog, OAuth, Client) {
        let (log, transport) = (EventLog::connect(&self.settings).await.unwrap(), self.transport());
        let settings = OAuthSettings {
            app: self.app(),
            refresh_margin: Duration::from_secs(60),
            least_age: Duration::ZERO,
            state_lifetime: Duration::from_secs(60),
            check_interval: Period::from_secs(60),
            agency_interval: Period::from_secs(60),
            renewals_max: NonZeroUsize::new(2).unwrap(),
        };
        let app = App::new(log.credentials().clone(), transport.clone(), settings);
        let tokens = app.tokens(self.owner());
        (log, app.oauth.clone(), Client::with_tokens(transport, self.location_id.clone(), Arc::new(tokens)))
    }

    async fn installed(&self) -> (EventLog, OAuth, Client) {
        let (log, oauth, client) = self.replica().await;
        self.install(&log, &oauth).await;
        (log, oauth, client)
    }

    async fn install(&self, log: &EventLog, oauth: &OAuth) {
        let consent = Consent::Location(self.location_id.to_string());
        let code = self.sandbox.agency().authorize(&consent, Webhook::Lost).unwrap();
        install(log.credentials(), &oauth.exchange(&code.into()).await.unwrap()).await.unwrap();
    }

    async fn credential(&self, log: &EventLog) -> Credential {
        log.credentials().find(&self.owner()).await.unwrap().unwrap().0
    }

    async fn end(self) {
        self.sandbox.stop().await;
        self.postgres.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_refusals_in_three_processes_spend_one_refresh() {
    let fixture = TokenFixture::start("tokens-race", Duration::ZERO).await;
    let (log, _, first) = fixture.installed().await;
    let (second, third) = (fixture.replica().await.2, fixture.replica().await.2);
    for client in [&first, &second, &third] {
        client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    }
    fixture.sandbox.agency().expire_access_tokens();
    let clients = [first, second, third];
    let asked = (0..20).map(|n| {
        let (client, contact) = (clients[n % 3].clone(), fixture.contact.clone());
        tokio::spawn(async move { client.contact(&contact, &Zone::UNKNOWN).await.map(drop) })
    });
    for asked in asked.collect::<Vec<_>>() {
        asked.await.unwrap().unwrap();
    }
    let stats = fixture.sandbox.agency().oauth_stats();
    assert_eq!((stats.refreshed, stats.forgiven, stats.reused), (1, 0, 0));
    let credential = fixture.credential(&log).await;
    assert_eq!((credential.generation, credential.refresh_begun_at), (2, None));
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_asked_for_again_in_time() {
    let fixture = TokenFixture::start("tokens-crash", Duration::from_secs(30)).await;
    let (log, oauth, client) = fixture.installed().await;
    crash_after_the_answer(&fixture, &log, &oauth).await;
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(fixture.sandbox.agency().oauth_stats().forgiven, 1);
    let credential = fixture.credential(&log).await;
    assert_eq!((credential.state, credential.refresh_begun_at), (CredentialState::Active, None));
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_for_good_says_what_to_do() {
    let fixture = TokenFixture::start("tokens-lost", Duration::ZERO).await;
    let (log, oauth, client) = fixture.installed().await;
    crash_after_the_answer(&fixture, &log, &oauth).await;
    for _ in 0..3 {
        let error = client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap_err();
        assert!(matches!(error, Error::Unauthorized { .. }), "{error}");
    }
    let credential = fixture.credential(&log).await;
    assert_eq!(credential.state, CredentialState::Dead);
    assert!(credential.problem.unwrap().contains("/oauth/start"));
    assert_eq!(fixture.sandbox.agency().oauth_stats().reused, 1, "it was tried once");
    fixture.install(&log, &oauth).await;
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    fixture.end().await;
}

/// A process spends the refresh token, and dies before it stored what it got.
async fn crash_after_the_answer(fixture: &TokenFixture, log: &EventLog, oauth: &OAuth) {
    let (_, tokens) = log.credentials().find(&fixture.owner()).await.unwrap().unwrap();
    let turn = log.credentials().renewal_permit(&fixture.owner()).await.unwrap();
    log.credentials().begin_refresh(&turn, Timestamp::now()).await.unwrap();
    fixture.sandbox.agency().expire_access_tokens();
    drop(oauth.refresh(&tokens.unwrap().refresh.unwrap(), &holder(&fixture.owner())).await.unwrap());
    drop(turn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_that_is_not_active_keeps_its_token() {
    let fixture = TokenFixture::start("tokens-inactive", Duration::ZERO).await;
    let (log, _, client) = fixture.installed().await;
    fixture.sandbox.agency().set_active(fixture.location_id.as_str(), false);
    fixture.sandbox.agency().expire_access_tokens();
    assert!(client.contact(&fixture.contact, &Zone::UNKNOWN).await.is_err());
    let (credential, tokens) = log.credentials().find(&fixture.owner()).await.unwrap().unwrap();
    assert_eq!(credential.state, CredentialState::Inactive);
    assert!(tokens.is_some() && credential.problem.is_some());
    fixture.sandbox.agency().set_active(fixture.location_id.as_str(), true);
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(fixture.sandbox.agency().oauth_stats().refreshed, 1);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_location_of_an_agency_comes_back_by_itself() {
    let fixture = TokenFixture::start("tokens-agency", Duration::ZERO).await;
    let (log, oauth, client) = fixture.replica().await;
    let consent = Consent::Agency { locations: vec![fixture.location_id.to_string()], future: false };
    let code = fixture.sandbox.agency().authorize(&consent, Webhook::Lost).unwrap();
    let agency = oauth.exchange(&code.into()).await.unwrap();
    install(log.credentials(), &agency).await.unwrap();
    let grant = oauth.location_token(&agency.access, fixture.sandbox.company_id(), &fixture.location_id).await.unwrap();
    install(log.credentials(), &grant).await.unwrap();
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    // The agency's own token is old by then, too.
    crash_after_the_answer(&fixture, &log, &oauth).await;
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    let stats = fixture.sandbox.agency().oauth_stats();
    assert_eq!((stats.refreshed, stats.reused, stats.location_tokens), (2, 1, 2), "its own that was lost, and the agency's");
    let credential = fixture.credential(&log).await;
    assert_eq!((credential.state, credential.problem), (CredentialState::Active, None));
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_asked_for_once_more() {
    let fixture = TokenFixture::start("tokens-cut", Duration::from_secs(30)).await;
    let (log, _, client) = fixture.installed().await;
    fixture.sandbox.agency().expire_access_tokens();
    fixture.sandbox.agency().order_fault(FaultOrder::new(Fault::Cut, 1, "/oauth/token"));
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    let stats = fixture.sandbox.agency().oauth_stats();
    assert_eq!((stats.refreshed, stats.forgiven), (1, 1));
    assert_eq!(fixture.credential(&log).await.refresh_begun_at, None);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_leaves_no_spent_token_behind() {
    let fixture = TokenFixture::start("tokens-given-up", Duration::ZERO).await;
    let (log, _, client) = fixture.installed().await;
    fixture.sandbox.agency().expire_access_tokens();
    let slow = Fault::Slow { slow: Duration::from_millis(500) };
    fixture.sandbox.agency().order_fault(FaultOrder::new(slow, 1, "/oauth/token"));
    let (asking, contact) = (client.clone(), fixture.contact.clone());
    let asked = tokio::spawn(async move { asking.contact(&contact, &Zone::UNKNOWN).await.map(drop) });
    while fixture.sandbox.agency().oauth_stats().refreshed == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    asked.abort();
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(fixture.sandbox.agency().oauth_stats().refreshed, 1);
    assert_eq!(fixture.credential(&log).await.generation, 2);
    fixture.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_ends_and_used_on_while_ghl_is_away() {
    let fixture = TokenFixture::with_tokens_for("tokens-early", Duration::ZERO, Duration::from_secs(8)).await;
    let (log, _, client) = fixture.installed().await;
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(fixture.credential(&log).await.generation, 1, "a token that lives shortly is not renewed all the time");
    let due = fixture.credential(&log).await.granted_at + Duration::from_secs(6);
    while Timestamp::now() <= due {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    fixture.sandbox.agency().order_fault(FaultOrder::new(Fault::Status { status: 503 }, 2, "/oauth/token"));
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    assert_eq!(fixture.sandbox.agency().oauth_stats().refreshed, 0, "GHL was away, and the token lasts a while");
    client.contact(&fixture.contact, &Zone::UNKNOWN).await.unwrap();
    let credential = fixture.credential(&log).await;
    assert_eq!((credential.generation, fixture.sandbox.agency().oauth_stats().refreshed), (2, 1));
    fixture.end().await;
}
