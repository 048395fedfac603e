//! What every task of the writer works with.

use std::sync::Arc;

use pagico::Bridge;
use stage::Links;

use crate::config::Config;
use crate::metrics::Metrics;

pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) links: Arc<Links>,
    pub(crate) bridge: Bridge,
    pub(crate) metrics: Metrics,
}
