//! The program, run as a process.

#![cfg(test)]

mod program;
mod support;
mod up;
