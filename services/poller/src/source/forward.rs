//! What only the holder of a location's lease may answer is passed on to it, once.

use proto::source::v1::source_client::SourceClient;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use domain::LocationId;

use crate::context::Tools;
use crate::source::refusal_of_log;

/// Marks a call that was passed on: whoever gets it answers it or not.
const PASSED_ON: &str = "mirror-passed-on";

/// The replica that looks after a location.
///
/// # Errors
/// `Unavailable`, with what to do: nobody does now, it cannot be reached, or the call was passed on already.
pub(crate) async fn holder(tools: &Tools, location_id: &LocationId, metadata: &MetadataMap) -> Result<SourceClient<Channel>, Status> {
    let changing = || Status::unavailable("this location just changes hands between replicas of the poller; ask again in a moment");
    if metadata.contains_key(PASSED_ON) {
        return Err(changing());
    }
    let address = tools.log.address_of_holder(location_id).await.map_err(refusal_of_log)?.ok_or_else(changing)?;
    let lost = |why: &str| Status::unavailable(format!("another replica of the poller looks after this location, {why}"));
    if address.is_empty() {
        return Err(lost("and does not say where it is reached: give it lease.address, or ask it directly"));
    }
    let unreachable = |_| lost(&format!("and is not reached from here at {address}: if it is dead, another takes over in a moment"));
    let endpoint = Endpoint::from_shared(address.clone()).map_err(unreachable)?.connect_timeout(tools.config.lease.connect_timeout);
    Ok(SourceClient::new(endpoint.connect().await.map_err(unreachable)?))
}

/// The same call, with the caller's own token.
pub(crate) fn passed_on<T>(mut metadata: MetadataMap, message: T) -> Request<T> {
    metadata.insert(PASSED_ON, MetadataValue::from_static("1"));
    Request::from_parts(metadata, tonic::Extensions::default(), message)
}
