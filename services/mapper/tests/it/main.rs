//! The mapper against a real log and a real bus.

#[cfg(test)]
mod maps;
#[cfg(test)]
mod stage;
