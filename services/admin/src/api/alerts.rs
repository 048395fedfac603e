//! `mirror.alerts.v1`: what a person has to know, and what is not told for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use eventlog::{Alert, EventLog, Silence};
use jiff::Timestamp;
use proto::alerts::v1 as api;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::alerts::condition::Condition;
use crate::api::answers::at;
use crate::api::request;
use crate::config::Limits;
use crate::status::status_of_log;

/// The longest name of an operator that is kept, in characters.
const WHO_CHARACTERS_MAX: usize = 128;

pub(crate) struct Service {
    pub(crate) log: EventLog,
    pub(crate) limits: Limits,
    pub(crate) silence_max: Duration,
}

#[tonic::async_trait]
impl api::alerts_server::Alerts for Service {
    async fn list_alerts(&self, request: Request<api::ListAlertsRequest>) -> Result<Response<api::ListAlertsResponse>, Status> {
        let request = request.into_inner();
        let location_id = request::optional_location(&request.location_id)?;
        let size = request::rows(request.page_size, &self.limits)?;
        let after = request::cursor(&request.page_token, |token| token.parse::<Uuid>().ok())?;
        let rows = self.log.alerts().open(location_id.as_ref(), after, size + 1).await.map_err(status_of_log)?;
        let (rows, next_page_token) = request::page(rows, size, |last| last.id.to_string());
        let mut told = self.log.alerts().told(&rows).await.map_err(status_of_log)?;
        let alerts = rows.into_iter().map(|row| {
            let told = told.remove(&row.id).unwrap_or_default();
            alert(row, told)
        });
        let silences = self.log.alerts().silences().await.map_err(status_of_log)?;
        let (alerts, silences) = (alerts.collect(), silences.into_iter().map(silence).collect());
        Ok(Response::new(api::ListAlertsResponse { alerts, next_page_token, silences }))
    }

    async fn silence(&self, request: Request<api::SilenceRequest>) -> Result<Response<api::SilenceResponse>, Status> {
        let request = request.into_inner();
        let (condition, location_id) = (condition(&request.condition)?, request::optional_location(&request.location_id)?);
        let duration = request.duration.and_then(|duration| Duration::try_from(duration).ok()).filter(|duration| !duration.is_zero());
        let duration = duration.ok_or_else(|| Status::invalid_argument("a silence needs a duration greater than zero"))?;
        if duration > self.silence_max {
            let longest = self.silence_max.as_secs() / 3_600;
            return Err(Status::invalid_argument(format!("a silence lasts {longest} hours at most (alerts.silence_max)")));
        }
        let who: String = request::operator(&request.who).chars().take(WHO_CHARACTERS_MAX).collect();
        let condition = condition.map(Condition::as_str);
        let until = self.log.alerts().silence(condition, location_id.as_ref(), duration, &who).await.map_err(status_of_log)?;
        tracing::info!(condition = condition.unwrap_or("all"), location.id = ?location_id.as_ref().map(ToString::to_string), %until, "silenced");
        let silence = silence(Silence { condition: condition.map(str::to_owned), location_id, until, who });
        Ok(Response::new(api::SilenceResponse { silence: Some(silence) }))
    }

    async fn unsilence(&self, request: Request<api::UnsilenceRequest>) -> Result<Response<api::UnsilenceResponse>, Status> {
        let request = request.into_inner();
        let (condition, location_id) = (condition(&request.condition)?, request::optional_location(&request.location_id)?);
        let condition = condition.map(Condition::as_str);
        if self.log.alerts().unsilence(condition, location_id.as_ref()).await.map_err(status_of_log)? {
            return Ok(Response::new(api::UnsilenceResponse {}));
        }
        Err(Status::not_found("there is no silence of just this condition and location; `mirrorctl alerts` lists those that hold"))
    }
}

/// None stands for all of them.
fn condition(name: &str) -> Result<Option<Condition>, Status> {
    let known = || Condition::ALL.map(Condition::as_str).join(", ");
    let parse = |name| Condition::parse(name).ok_or_else(|| Status::invalid_argument(format!("condition must be one of {}", known())));
    request::given(name).map(parse).transpose()
}

fn alert(alert: Alert, told: BTreeMap<String, Timestamp>) -> api::Alert {
    let told = told.into_iter().map(|(channel, told_at)| api::Telling { channel, told_at: Some(at(told_at)) });
    api::Alert {
        alert_id: alert.id.to_string(),
        cure: Condition::parse(&alert.condition).map(Condition::cure).unwrap_or_default().to_owned(),
        condition: alert.condition,
        location_id: alert.location_id.map(|id| id.to_string()).unwrap_or_default(),
        subject: alert.subject,
        since: Some(at(alert.since)),
        cause: alert.cause,
        raised_at: Some(at(alert.raised_at)),
        gone_at: alert.gone_at.map(at),
        told: told.collect(),
        silenced_until: alert.silenced_until.map(at),
    }
}

fn silence(silence: Silence) -> api::ActiveSilence {
    api::ActiveSilence {
        condition: silence.condition.unwrap_or_default(),
        location_id: silence.location_id.map(|id| id.to_string()).unwrap_or_default(),
        until: Some(at(silence.until)),
        who: silence.who,
    }
}
