//! The program, run as a process.

#![cfg(test)]

mod init;
mod program;
mod support;
mod up;
