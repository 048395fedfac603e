//! The writer against a real log, a real bus, and a small bridge that can be made to fail.

#[cfg(test)]
mod bridge;
#[cfg(test)]
mod stage;
#[cfg(test)]
mod writes;
