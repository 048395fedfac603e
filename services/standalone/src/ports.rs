//! Which port belongs to what; all are checked before anything starts.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use settings::{Check, Problems};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ports {
    pub(crate) poller_http: NonZeroU16,
    pub(crate) poller_ops: NonZeroU16,
    pub(crate) poller_grpc: NonZeroU16,
    pub(crate) mapper_http: NonZeroU16,
    pub(crate) mapper_grpc: NonZeroU16,
    pub(crate) writer_http: NonZeroU16,
    pub(crate) writer_grpc: NonZeroU16,
    pub(crate) bridge_http: NonZeroU16,
    pub(crate) bridge_ops: NonZeroU16,
    pub(crate) bridge_grpc: NonZeroU16,
    pub(crate) admin_http: NonZeroU16,
    pub(crate) admin_ops: NonZeroU16,
    pub(crate) admin_grpc: NonZeroU16,
    pub(crate) sandbox: NonZeroU16,
    pub(crate) postgres: NonZeroU16,
    pub(crate) nats: NonZeroU16,
}

impl Ports {
    /// The default ports, moved to a block of their own: 7200 makes 7101 7201.
    #[must_use]
    pub(crate) fn from_base(base: u16) -> Self {
        let at = |offset: u16| NonZeroU16::MIN.saturating_add(base.saturating_add(offset).saturating_sub(1));
        Self {
            poller_http: at(1),
            poller_grpc: at(2),
            poller_ops: at(3),
            mapper_http: at(11),
            mapper_grpc: at(12),
            writer_http: at(21),
            writer_grpc: at(22),
            bridge_http: at(31),
            bridge_grpc: at(32),
            bridge_ops: at(33),
            admin_http: at(41),
            admin_grpc: at(42),
            admin_ops: at(43),
            sandbox: at(50),
            postgres: at(60),
            nats: at(70),
        }
    }

    /// The ports of all services, by what a person calls them.
    #[must_use]
    pub(crate) fn of_services(&self) -> [(&'static str, NonZeroU16); 13] {
        [
            ("poller http", self.poller_http),
            ("poller grpc", self.poller_grpc),
            ("poller ops", self.poller_ops),
            ("mapper http", self.mapper_http),
            ("mapper grpc", self.mapper_grpc),
            ("writer http", self.writer_http),
            ("writer grpc", self.writer_grpc),
            ("bridge http", self.bridge_http),
            ("bridge grpc", self.bridge_grpc),
            ("bridge ops", self.bridge_ops),
            ("admin http", self.admin_http),
            ("admin grpc", self.admin_grpc),
            ("admin ops", self.admin_ops),
        ]
    }
}

impl Check for Ports {
    fn check(&self, problems: &mut Problems) {
        let others = [("sandbox", self.sandbox), ("postgres", self.postgres), ("nats", self.nats)];
        let mut owners: BTreeMap<NonZeroU16, String> = BTreeMap::new();
        for (name, port) in self.of_services().into_iter().chain(others) {
            let key = name.replace(' ', "_");
            if let Some(other) = owners.get(&port) {
                problems.check(false, &key, format_args!("must differ from ports.{other}"));
            }
            owners.insert(port, key);
        }
    }
}

/// Names every port that cannot be listened on, in one sentence.
///
/// # Errors
/// When there is one.
pub(crate) fn check(address: IpAddr, wanted: &[(&'static str, NonZeroU16)]) -> Result<(), String> {
    let mut taken = Vec::new();
    for (name, port) in wanted {
        match TcpListener::bind(SocketAddr::new(address, port.get())) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => taken.push(format!("{port} ({name})")),
            Err(error) => return Err(format!("cannot listen on {address}, port {port} ({name}): {error}")),
        }
    }
    match taken.as_slice() {
        [] => Ok(()),
        [one] => Err(format!("port {one} is taken on {address}: stop what listens there, or choose other ports")),
        many => Err(format!("ports {} are taken on {address}: stop what listens there, or choose other ports", many.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::num::NonZeroU16;

    use settings::Check as _;

    use super::{Ports, check};

    #[test]
    fn a_taken_port_is_named_with_its_owner() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listener");
        let port = NonZeroU16::new(taken.local_addr().expect("address").port()).expect("a port");
        let error = check(IpAddr::V4(Ipv4Addr::LOCALHOST), &[("sandbox", port)]).expect_err("taken");
        assert_eq!(error, format!("port {port} (sandbox) is taken on 127.0.0.1: stop what listens there, or choose other ports"));
    }

    #[test]
    fn one_port_for_two_is_a_mistake_of_the_config() {
        let mut ports = Ports::from_base(7100);
        assert!(ports.problems().is_empty());
        ports.nats = ports.postgres;
        assert_eq!(ports.problems(), ["nats must differ from ports.postgres"]);
    }
}
