//! What every request works with.

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
use self::cache::Cache;
use self::live::Live;
use self::metrics::Metrics;
use self::permits::Permits;
use crate::config::{Config, Limits, Page};
use crate::store::{Result, Root, Store};

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) limits: Limits,
    pub(crate) page: Page,
    pub(crate) keys: Keys,
    pub(crate) live: Live,
    pub(crate) metrics: Metrics,
    pub(crate) chassis: Arc<Chassis>,
    pub(crate) reads: Permits,
    pub(crate) writes: Permits,
    pub(crate) followers: Permits,
    pub(crate) roots: Cache<Root>,
    pub(crate) orphans: Cache<u64>,
    pub(crate) shutdown: Shutdown,
}

impl App {
    pub(crate) fn new(config: &Config, chassis: Arc<Chassis>, shutdown: Shutdown) -> Result<Arc<Self>> {
        let (limits, page) = (config.limits.clone(), config.page.clone());
        Ok(Arc::new(Self {
            store: Store::new(&config.database)?,
            keys: Keys::new(*limits.keys_refresh),
            live: Live::default(),
            metrics: Metrics::new(),
            chassis,
            reads: Permits::new(limits.reads_in_flight_max.get(), limits.turn_timeout),
            writes: Permits::new(limits.writes_in_flight_max.get(), limits.turn_timeout),
            followers: Permits::new(page.followers_max.get(), Duration::ZERO),
            roots: Cache::default(),
            orphans: Cache::default(),
            limits,
            page,
            shutdown,
        }))
    }
}
