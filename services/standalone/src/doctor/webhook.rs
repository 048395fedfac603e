//! Whether the address that GHL's webhooks are sent to leads to this installation: an unsigned webhook must be answered with the poller's own
//! refusal.

use poller::WEBHOOK_MARK;
use reqwest::StatusCode;
use url::Url;

use crate::doctor::finding::{Finding, Findings, State};
use crate::failure::Failure;
use crate::settings::Settings;

const WHAT: &str = "webhook";

pub(super) async fn examine(settings: &Settings, findings: &mut Findings) -> Result<(), Failure> {
    let Some(url) = &settings.doctor.webhook_url else {
        let says = "no address was given to try";
        return findings.add(Finding::ok(WHAT, says).cured_by("--webhook-url https://…/webhooks/ghl tries the one that GHL has"));
    };
    let answer = ask(url, settings).await;
    // A path may hold a workflow's secret.
    let url = url.origin().ascii_serialization();
    let target = settings.address(settings.ports.poller_http);
    let finding = match answer {
        Ok((StatusCode::UNAUTHORIZED, true)) => Finding::ok(WHAT, format!("{url} reached us: it refuses what is not signed")),
        Ok((status, true)) => {
            Finding::new(State::Warning, WHAT, format!("{url} reached us, which answered {status} to what is not signed"))
        }
        Ok((status, false)) => Finding::new(State::Broken, WHAT, format!("{url} reached someone else, who answered {status}")).cured_by(
            format!("it must end in /webhooks/ghl, and whatever listens there must pass POST requests on to {target} as they are"),
        ),
        Err(why) => Finding::new(State::Broken, WHAT, format!("{url} was not reached: {why}"))
            .cured_by(format!("the name must lead to this machine, and its port, with TLS, to {target}")),
    };
    findings.add(finding)
}

/// The status, and whether the answer has the poller's mark.
async fn ask(url: &Url, settings: &Settings) -> Result<(StatusCode, bool), &'static str> {
    let client = reqwest::Client::builder().timeout(*settings.doctor.timeout).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|_| "the HTTP client cannot be set up")?;
    let sent = client.post(url.clone()).header("content-type", "application/json").body("{}").send().await;
    let answer = sent.map_err(|error| match () {
        () if error.is_timeout() => "no answer in time (doctor.timeout)",
        () if error.is_connect() => "no connection: the name, the port or the certificate is wrong",
        () => "the connection broke",
    })?;
    let (name, value) = WEBHOOK_MARK;
    Ok((answer.status(), answer.headers().get(name).is_some_and(|mark| mark == value)))
}
