//! Proves that the parts work together, on real PostgreSQL, NATS, HTTP and gRPC.

mod architecture;
