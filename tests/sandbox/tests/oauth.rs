//! The marketplace app: codes, tokens that rotate and end, installations that come and go.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::time::Duration;

use sandbox::{AppSettings, Consent, Fault, FaultOrder, Sandbox, Settings, Webhook};
use serde_json::{Value, json};

use crate::common::{Client, Receiver, start};

const APP: [(&str, &str); 2] = [("client_id", "sandbox-client"), ("client_secret", "sandbox-secret")];

async fn turn_in(client: &Client, grant_type: &str, what: (&str, &str)) -> (u16, Value) {
    client.form("/oauth/token", &[APP[0], APP[1], ("grant_type", grant_type), what]).await
}

fn anonymous(sandbox: &Sandbox) -> Client {
    Client::of(sandbox).with_token("").with_version(None)
}

async fn agency_token(sandbox: &Sandbox) -> Value {
    let locations = sandbox.agency().worlds().iter().map(|world| world.location_id().to_owned()).collect();
    let code = sandbox.agency().authorize(&Consent::Agency { locations, future: true }, Webhook::Sent).expect("its locations are its own");
    let (status, tokens) = turn_in(&anonymous(sandbox), "authorization_code", ("code", &code)).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

#[tokio::test]
async fn a_code_becomes_tokens_once_and_the_refresh_token_rotates() {
    let settings = AppSettings { refresh_grace: Duration::ZERO, ..AppSettings::default() };
    let sandbox = start(Settings { app: settings, ..Settings::default() }).await;
    let client = anonymous(&sandbox);
    let here = sandbox.location_id().to_owned();
    let code = sandbox.agency().authorize(&Consent::Location(here.clone()), Webhook::Sent).unwrap();
    let (status, first) = turn_in(&client, "authorization_code", ("code", &code)).await;
    assert_eq!((status, &first["userType"], &first["locationId"]), (200, &json!("Location"), &json!(here)));
    assert_eq!((&first["expires_in"], &first["token_type"]), (&json!(86_399), &json!("Bearer")));
    let (status, body) = turn_in(&client, "authorization_code", ("code", &code)).await;
    assert_eq!((status, &body["message"]), (400, &json!("Invalid grant: authorization code is invalid")));

    let old = first["refresh_token"].as_str().unwrap();
    let (status, second) = turn_in(&client, "refresh_token", ("refresh_token", old)).await;
    assert_eq!(status, 200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    let (status, body) = turn_in(&client, "refresh_token", ("refresh_token", old)).await;
    assert_eq!((status, &body["message"]), (400, &json!("Invalid grant: refresh token is invalid")));
    let stats = sandbox.agency().oauth_stats();
    assert_eq!((stats.exchanged, stats.refreshed, stats.reused, stats.denied), (1, 1, 1, 2));

    let path = format!("/locations/{here}");
    let with = |token: &Value| Client::of(&sandbox).with_token(token.as_str().unwrap());
    assert_eq!(with(&second["access_token"]).get(&path).await.0, 200);
    sandbox.agency().expire_access_tokens();
    let (status, body) = with(&second["access_token"]).get(&path).await;
    assert_eq!((status, &body["message"]), (401, &json!("Invalid token: access token is invalid")));
    let (_, third) = turn_in(&client, "refresh_token", ("refresh_token", second["refresh_token"].as_str().unwrap())).await;
    assert_eq!(with(&third["access_token"]).get(&path).await.0, 200);
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_named() {
    let sandbox = start(Settings::default()).await;
    let client = anonymous(&sandbox);
    let (status, body) = client.form("/oauth/token", &[("client_id", "sandbox-client")]).await;
    assert_eq!((status, &body["message"]), (400, &json!("Missing parameter: client_secret")));
    let (status, body) = turn_in(&client, "password", ("code", "x")).await;
    assert_eq!((status, &body["message"]), (400, &json!("Invalid parameter: grant_type")));
    let wrong = [APP[0], ("client_secret", "guess"), ("grant_type", "refresh_token"), ("refresh_token", "x")];
    assert_eq!(client.form("/oauth/token", &wrong).await.0, 401);
    let v3 = client.with_version(Some("v3"));
    let (_, body) = v3.post("/oauth/token", &json!({"clientSecret": "sandbox-secret"})).await;
    assert_eq!(body["message"], "Missing parameter: clientId");
    let code = sandbox.agency().authorize(&Consent::Location(sandbox.location_id().to_owned()), Webhook::Sent).unwrap();
    let body = json!({"clientId": "sandbox-client", "clientSecret": "sandbox-secret", "grantType": "authorization_code", "code": code});
    let (status, body) = v3.post("/oauth/token", &body).await;
    assert!(status == 200 && body["accessToken"].is_string() && body["refreshToken"].is_string() && body.get("access_token").is_none());
}

#[tokio::test]
async fn the_agency_s_token_gets_tokens_for_its_locations_and_reads_none_of_them_itself() {
    let sandbox = start(Settings { locations: 3, ..Settings::default() }).await;
    let agency = sandbox.agency();
    let tokens = agency_token(&sandbox).await;
    assert_eq!((&tokens["userType"], tokens["approvedLocations"].as_array().map(Vec::len)), (&json!("Company"), Some(3)));
    let client = Client::of(&sandbox).with_token(tokens["access_token"].as_str().unwrap());
    let second = agency.worlds()[1].clone();
    let asked = [("companyId", agency.company_id()), ("locationId", second.location_id())];
    let (status, location) = client.form("/oauth/locationToken", &asked).await;
    assert_eq!((status, &location["locationId"]), (200, &json!(second.location_id())));
    assert!(location["refresh_token"].is_string() && location["userId"].is_string());
    let of_location = client.with_token(location["access_token"].as_str().unwrap());
    assert_eq!(of_location.get(&format!("/locations/{}", second.location_id())).await.0, 200);
    assert_eq!(of_location.get(&format!("/locations/{}", sandbox.location_id())).await.0, 403);
    assert_eq!(client.get(&format!("/locations/{}", sandbox.location_id())).await.0, 403);
    assert_eq!(of_location.form("/oauth/locationToken", &asked).await.0, 401);

    let path = format!("/oauth/installedLocations?companyId={}&appId={}", agency.company_id(), agency.app_id());
    let (_, listed) = client.get(&format!("{path}&skip=1&limit=1")).await;
    assert_eq!((&listed["count"], &listed["locations"][0]["_id"]), (&json!(3), &json!(second.location_id())));
    agency.uninstall(second.location_id(), Webhook::Lost);
    assert_eq!(client.get(&format!("{path}&isInstalled=true")).await.1["count"], 2);
    assert_eq!(of_location.get(&format!("/locations/{}", second.location_id())).await.0, 401);
    assert_eq!(client.form("/oauth/locationToken", &asked).await.0, 400);

    let v3 = client.with_version(Some("v3"));
    let path = format!("/oauth/installed-locations?companyId={}&appId={}&pageSize=2", agency.company_id(), agency.app_id());
    let (_, page) = v3.get(&path).await;
    assert_eq!((&page["pagination"]["hasNextPage"], page["items"].as_array().map(Vec::len)), (&json!(true), Some(2)));
    let next = page["pagination"]["nextPageToken"].as_str().unwrap();
    assert_eq!(v3.get(&format!("{path}&pageToken={next}")).await.1["items"].as_array().map(Vec::len), Some(1));
    let (status, body) = v3.get(&format!("/oauth/installed-locations?companyId={}&appId=other", agency.company_id())).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("RESOURCE_NOT_FOUND")));
}

#[tokio::test]
async fn a_location_that_is_not_active_gets_no_token_for_now() {
    let sandbox = start(Settings::default()).await;
    let client = anonymous(&sandbox);
    let here = sandbox.location_id().to_owned();
    let code = sandbox.agency().authorize(&Consent::Location(here.clone()), Webhook::Sent).unwrap();
    let (_, tokens) = turn_in(&client, "authorization_code", ("code", &code)).await;
    let refresh = ("refresh_token", tokens["refresh_token"].as_str().unwrap());
    sandbox.agency().set_active(&here, false);
    let (status, body) = turn_in(&client, "refresh_token", refresh).await;
    assert_eq!((status, &body["message"]), (400, &json!("Location is not active")));
    sandbox.agency().set_active(&here, true);
    assert_eq!(turn_in(&client, "refresh_token", refresh).await.0, 200);
}

#[tokio::test]
async fn an_answer_with_tokens_may_be_lost_after_the_token_was_spent() {
    let sandbox = start(Settings::default()).await;
    let client = anonymous(&sandbox);
    let code = sandbox.agency().authorize(&Consent::Location(sandbox.location_id().to_owned()), Webhook::Sent).unwrap();
    let (_, tokens) = turn_in(&client, "authorization_code", ("code", &code)).await;
    let refresh = ("refresh_token", tokens["refresh_token"].as_str().unwrap());
    sandbox.agency().order_fault(FaultOrder::new(Fault::Cut, 1, "/oauth/token"));
    assert_eq!(turn_in(&client, "refresh_token", refresh).await.1, Value::Null);
    assert_eq!(sandbox.agency().oauth_stats().refreshed, 1);
    assert_eq!(turn_in(&client, "refresh_token", refresh).await.0, 200, "the grace period saves it");
    assert_eq!(sandbox.agency().oauth_stats().forgiven, 1);
}

#[tokio::test]
async fn webhooks_tell_of_installations_and_an_uninstalled_location_falls_silent() {
    let receiver = Receiver::default();
    let url = receiver.start().await;
    let sandbox = start(Settings { webhook_url: Some(url), ..Settings::default() }).await;
    let (agency, world) = (sandbox.agency(), sandbox.world());
    agency_token(&sandbox).await;
    let late = agency.add_location().unwrap();
    agency.uninstall(world.location_id(), Webhook::Sent);
    world.create_contact(&json!({"firstName": "Ada"}), Webhook::Sent).unwrap();
    late.create_contact(&json!({"firstName": "Zoe"}), Webhook::Sent).unwrap();
    agency.uninstall_all(Webhook::Sent);
    world.webhooks_settled().await;
    let got: Vec<Value> = receiver.got().iter().map(crate::common::Got::json).collect();
    let told = |kind: &str, location: &Value| got.iter().filter(|body| body["type"] == kind && body["locationId"] == *location).count();
    let (here, there) = (json!(world.location_id()), json!(late.location_id()));
    assert_eq!((told("INSTALL", &here), told("INSTALL", &there), told("UNINSTALL", &here)), (1, 1, 1));
    assert_eq!((told("ContactCreate", &here), told("ContactCreate", &there), told("UNINSTALL", &Value::Null)), (0, 1, 1));
    let installed = got.iter().find(|body| body["type"] == "INSTALL").unwrap();
    assert_eq!((&installed["appId"], &installed["companyId"]), (&json!(agency.app_id()), &json!(agency.company_id())));
    assert!(agency.installed().is_empty());
}

#[tokio::test]
async fn a_person_picks_the_location_on_a_page() {
    let sandbox = start(Settings { locations: 2, ..Settings::default() }).await;
    let asked = "response_type=code&client_id=sandbox-client&redirect_uri=http%3A%2F%2F127.0.0.1%2Foauth%2Fcallback&state=s%261";
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let at = |path: &str| format!("{}{path}?{asked}", sandbox.base_url());
    let page = http.get(at("/oauth/chooselocation")).send().await.unwrap().text().await.unwrap();
    assert_eq!(page.matches("<li>").count(), 3);
    let picked = format!("{}&choose={}", at("/v2/oauth/chooselocation"), sandbox.location_id());
    let answer = http.get(picked).send().await.unwrap();
    let back: url::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
    let given: std::collections::BTreeMap<_, _> = back.query_pairs().into_owned().collect();
    assert_eq!(given["state"], "s&1");
    assert_eq!(turn_in(&anonymous(&sandbox), "authorization_code", ("code", &given["code"])).await.0, 200);
    let client = anonymous(&sandbox);
    assert_eq!(client.get("/oauth/chooselocation?response_type=code&client_id=other").await.0, 400);
}
