//! The frame of a service: its switch, its readiness and its metrics.

use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::registry::Registry;

use crate::attribution::Services;
use crate::control::Control;

/// The frame of a service: its switch, its readiness and its metrics.
pub struct Chassis {
    service: &'static str,
    control: Control,
    registry: Mutex<Registry>,
}

impl Chassis {
    pub fn new(service: &'static str) -> Arc<Self> {
        Services::announce(service);
        let registry = Registry::with_prefix_and_labels("mirror", [("service".into(), service.into())].into_iter());
        Arc::new(Self { service, control: Control::new(service), registry: Mutex::new(registry) })
    }

    pub(crate) fn service(&self) -> &'static str {
        self.service
    }

    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Sets whether a part that the service needs is ready. The service is ready when all parts are.
    pub fn ready(&self, part: &'static str, state: Result<(), String>) {
        let problem = state.as_ref().err().cloned();
        if self.control.set_part(part, state) {
            match problem {
                Some(problem) => tracing::warn!(service = self.service, part, problem, "not ready"),
                None => tracing::info!(service = self.service, part, "ready"),
            }
        }
    }

    /// Adds metrics to what `/metrics` shows.
    pub fn register<T>(&self, add: impl FnOnce(&mut Registry) -> T) -> T {
        add(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The text of `/metrics`; `None` when a metric cannot be written.
    pub(crate) fn metrics(&self) -> Option<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner)).ok()?;
        Some(text)
    }
}
