//! Is operated: the gRPC contracts of pagico-mirror, as Rust types generated from the proto files beside this crate.
//!
//! Knows nothing of how they are served or asked.

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod admin {
    pub mod v1 {
        include!("gen/mirror.admin.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod audit {
    pub mod v1 {
        include!("gen/mirror.audit.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod control {
    pub mod v1 {
        include!("gen/mirror.control.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod replay {
    pub mod v1 {
        include!("gen/mirror.replay.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod proof {
    pub mod v1 {
        include!("gen/mirror.proof.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod source {
    pub mod v1 {
        include!("gen/mirror.source.v1.rs");
    }
}

#[allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::clone_on_ref_ptr,
    clippy::doc_markdown,
    unused_qualifications,
    reason = "generated"
)]
pub mod erasure {
    pub mod v1 {
        include!("gen/mirror.erasure.v1.rs");
    }
}

/// Every proto file with what it imports, for gRPC reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/descriptors.bin");
