//! Is operated: the gRPC contracts of pagico-mirror, as Rust types generated from the proto files beside this crate, and their JSON.
//!
//! Knows nothing of how they are served or asked.

mod json;

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]
mod generated {
    include!("gen/packages.rs");
}

pub use generated::mirror::*;
pub use json::json;
pub use prost::Name;

/// Every proto file with what it imports, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");
