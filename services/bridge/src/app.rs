//! What every request needs.

mod access;
mod cache;
mod live;
mod metrics;
mod permits;

use std::sync::Arc;
use std::time::Duration;

use chassis::{Chassis, Shutdown};

pub(crate) use access::{basic, bearer};
pub(crate) use live::Aliases;

use self::access::Keys;
use self::cache::Remembered;
use self::live::Live;
use self::metrics::Metrics;
use self::permits::Turns;
use crate::config::{Config, Limits, Page};
use crate::store::{Result, Root, Store};

pub(crate) type App = Arc<Parts>;

pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) page: Page,
    pub(crate) keys: Keys,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) reads: Turns,
    pub(crate) writes: Turns,
    pub(crate) followers: Turns,
    pub(crate) roots: Remembered<Root>,
    pub(crate) orphans: Remembered<u64>,
    pub(crate) shutdown: Shutdown,
}

impl Parts {
    pub(crate) fn new(config: &Config, chassis: Arc<Chassis>, shutdown: Shutdown) -> Result<App> {
        let (limits, page) = (config.limits.clone(), config.page.clone());
        Ok(Arc::new(Self {
            store: Store::new(&config.database)?,
            keys: Keys::new(*limits.keys_refresh),
            live: Live::default(),
            metrics: Metrics::new(),
            chassis,
            reads: Turns::new(limits.reads_in_flight_max.get(), limits.turn_timeout),
            writes: Turns::new(limits.writes_in_flight_max.get(), limits.turn_timeout),
            followers: Turns::new(page.followers_max.get(), Duration::ZERO),
            roots: Remembered::default(),
            orphans: Remembered::default(),
            limits,
            page,
            shutdown,
        }))
    }
}
