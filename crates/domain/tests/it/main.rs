//! The decisions and laws of `domain`, tested through its public interface.

#[cfg(test)]
mod converge;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod history;
#[cfg(test)]
mod map;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod roundtrip;
#[cfg(test)]
mod support;
#[cfg(test)]
mod text;
#[cfg(test)]
mod truth;
