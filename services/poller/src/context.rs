//! What the tasks of the poller share.

use std::collections::BTreeSet;
use std::sync::Arc;

use bus::Bus;
use chassis::Chassis;
use domain::LocationId;
use eventlog::EventLog;

use crate::app::access::Access;
use crate::app::candidate::Candidates;
use crate::app::marketplace::App;
use crate::app::problems::Problems;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::parking::Parker;

pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) log: EventLog,
    pub(crate) bus: Bus,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) metrics: Metrics,
    /// The marketplace app, where one is configured.
    pub(crate) app: Option<Arc<App>>,
    pub(crate) candidates: Candidates,
    pub(crate) problems: Problems,
    pub(crate) access: Arc<Access>,
    pub(crate) parker: Parker,
}

impl Context {
    pub(crate) fn new(
        config: Config,
        log: EventLog,
        bus: Bus,
        chassis: Arc<Chassis>,
        metrics: Metrics,
        access: Arc<Access>,
        app: Option<Arc<App>>,
    ) -> Self {
        let listed: BTreeSet<LocationId> = config.locations.iter().map(|location| location.id.clone()).collect();
        let candidates = Candidates::new(listed);
        let problems = Problems::new(app.clone(), Arc::clone(&chassis), metrics.clone());
        let parker = Parker::new(log.parked().clone(), metrics.clone());
        Self { config, log, bus, chassis, metrics, app, candidates, problems, access, parker }
    }
}
