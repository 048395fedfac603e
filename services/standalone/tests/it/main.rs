//! The program, run as a process.

#![cfg(test)]

mod doctor;
mod init;
mod program;
mod support;
mod up;
