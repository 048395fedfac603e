//! Forwards calls to the holder of a location's lease when only it may answer them. A call is forwarded once at most.

use std::time::Duration;

use domain::LocationId;
use eventlog::Leases;
use proto::source::v1::source_client::SourceClient;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::source::refusal::status_of_log;

/// Marks a forwarded call, which is not forwarded again.
const FORWARDED: &str = "mirror-passed-on";

/// A client of the replica that holds a location's lease.
///
/// # Errors
/// `Unavailable`, with what to do: no replica holds it now, it cannot be reached, or the call was forwarded already.
pub(super) async fn holder(
    leases: &Leases,
    location_id: &LocationId,
    metadata: &MetadataMap,
    connect_timeout: Duration,
) -> Result<SourceClient<Channel>, Status> {
    let changing = || Status::unavailable("this location is moving from one replica of the poller to another; ask again in a moment");
    if metadata.contains_key(FORWARDED) {
        return Err(changing());
    }
    let address = leases.holder_address(location_id).await.map_err(status_of_log)?.ok_or_else(changing)?;
    let lost = |why: &str| Status::unavailable(format!("another replica of the poller looks after this location, {why}"));
    if address.is_empty() {
        return Err(lost("and its address is not known: set its lease.address, or ask it directly"));
    }
    let unreachable = |_| lost(&format!("and is not reached from here at {address}: if it is dead, another takes over in a moment"));
    let endpoint = Endpoint::from_shared(address.clone()).map_err(unreachable)?.connect_timeout(connect_timeout);
    Ok(SourceClient::new(endpoint.connect().await.map_err(unreachable)?))
}

/// The same call, with the caller's own token.
pub(super) fn forwarded<T>(mut metadata: MetadataMap, message: T) -> Request<T> {
    metadata.insert(FORWARDED, MetadataValue::from_static("1"));
    Request::from_parts(metadata, tonic::Extensions::default(), message)
}
