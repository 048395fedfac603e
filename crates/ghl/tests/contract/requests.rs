//! Every request of the client before a judge that knows the vendor's OpenAPI files.

use std::collections::BTreeSet;

use domain::{ContactId, LocationId, RecordId};
use ghl::{AppSettings, Holder, OAuth, OAuthError, OPERATIONS, Versions, Zone};
use serde_json::{Value, json};
use settings::Period;

use crate::everything::{Subject, all_arguments, client, reads, transport, v3, writes};
use crate::judge;
use crate::prism::Prism;
use crate::spec::merged;

fn anyone() -> Subject {
    let record = |id: &str| RecordId::new(id).unwrap();
    Subject {
        contact: ContactId::new("sx6wyHhbFdRXh302LLNR").unwrap(),
        task: record("t-1"),
        note: record("n-1"),
        calendar: "k-1".to_owned(),
        company: "co".to_owned(),
    }
}

/// The judge answers with examples, which are about nobody that was asked for: only whether it took the request counts.
async fn check(version: &str, versions: Versions) {
    let Some((program, contract)) = judge() else { return };
    let prism = Prism::mock(&program, &merged(&contract, version)).await;
    let (client, statuses) = client(&prism.base_url, "ve9EPM428h8vShlRW1KT", "token", versions);
    let third = version == "v3";
    drop(reads(&client, &anyone(), &Zone::UNKNOWN).await);
    drop(writes(&client, &anyone(), "f-1", &Zone::UNKNOWN).await);
    // v3 does not have the deprecated list.
    let operations = || OPERATIONS.iter().copied().filter(|operation| !(third && operation.is_legacy()));
    for operation in operations() {
        drop(client.call(operation.name, &all_arguments(operation)).await);
    }
    let statuses = statuses.lock().unwrap();
    let refused: Vec<_> = statuses.iter().filter(|(_, statuses)| statuses.iter().any(|status| !(200..300).contains(status))).collect();
    assert!(refused.is_empty(), "{refused:?}");
    let called: BTreeSet<&str> = statuses.keys().map(String::as_str).collect();
    assert_eq!(called, operations().map(|operation| operation.name).collect());
}

#[tokio::test]
async fn every_request_is_one_that_the_vendor_allows() {
    check("v2", Versions::default()).await;
}

#[tokio::test]
async fn every_request_in_the_spelling_of_v3_is_one_that_v3_allows() {
    check("v3", v3()).await;
}

/// The judge's examples need not be whole grants: only whether it took the request counts.
async fn check_oauth(version: &str, header: &str) {
    let Some((program, contract)) = judge() else { return };
    let prism = Prism::mock(&program, &merged(&contract, version)).await;
    let app = AppSettings {
        client_id: "client".to_owned(),
        client_secret: "secret".into(),
        app_id: "app".to_owned(),
        redirect_uri: "https://mirror.example/oauth/callback".to_owned(),
        authorize_url: "https://marketplace.example/oauth/chooselocation".parse().unwrap(),
        scopes: vec!["contacts.readonly".to_owned()],
        version: header.to_owned(),
        request_timeout: Period::from_secs(30),
    };
    let oauth = OAuth::new(transport(&prism.base_url, Versions::default()).0, app);
    let location_id = LocationId::new("ve9EPM428h8vShlRW1KT").unwrap();
    let taken = |what: &str, refused: Option<OAuthError>| {
        let taken = matches!(refused, None | Some(OAuthError::UnknownOutcome(_)));
        assert!(taken, "{version} {what}: {refused:?}");
    };
    taken("code", oauth.exchange(&"code".into()).await.err());
    taken("refresh", oauth.refresh(&"refresh".into(), &Holder::Location(location_id.clone())).await.err());
    taken("agency's refresh", oauth.refresh(&"refresh".into(), &Holder::Company("co".to_owned())).await.err());
    taken("location's token", oauth.location_token(&"agency".into(), "co", &location_id).await.err());
    taken("installed locations", oauth.installed_locations(&"agency".into(), "co").await.err());
}

#[tokio::test]
async fn every_request_of_the_marketplace_app_is_one_that_the_vendor_allows() {
    check_oauth("v2", "2021-07-28").await;
    check_oauth("v3", "v3").await;
}

#[tokio::test]
async fn a_broken_request_is_refused() {
    let Some((program, contract)) = judge() else { return };
    let prism = Prism::mock(&program, &merged(&contract, "v2")).await;
    // Whichever test of the process comes second finds it installed.
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::new();
    let post = async |version: Option<&str>, token: Option<&str>, body: Value| {
        let mut request = http.post(format!("{}/contacts/c-1/tasks", prism.base_url)).json(&body);
        for (name, value) in [("Version", version), ("Authorization", token)] {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        request.send().await.unwrap().status().as_u16()
    };
    let (version, token) = (Some("2021-07-28"), Some("Bearer token"));
    let whole = json!({"title": "Call", "dueDate": "2030-01-01T10:00:00Z", "completed": false});
    assert_eq!(post(version, token, whole.clone()).await, 201, "the one that is not broken");
    assert_eq!(post(None, token, whole.clone()).await, 422, "without Version");
    assert_eq!(post(Some("2020-01-01"), token, whole.clone()).await, 422, "with another Version");
    assert_eq!(post(version, None, whole).await, 401, "without a token");
    assert_eq!(post(version, token, json!({"title": "Call", "completed": false})).await, 422, "without a due date");
    assert_eq!(
        post(version, token, json!({"title": 7, "dueDate": "2030-01-01T10:00:00Z", "completed": false})).await,
        422,
        "a title of another type"
    );
}
