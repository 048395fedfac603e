//! The vendor's own webhook examples, read from a copy of its documentation: `GHL_CONTRACT_DIR` says where it lies. The examples are not
//! part of this repository, so without the variable the test checks nothing and says so.

use std::io::Write;
use std::path::PathBuf;

use ghl::webhook::{Webhook, read};

#[test]
fn every_example_of_the_vendor_is_understood() {
    let Some(directory) = std::env::var_os("GHL_CONTRACT_DIR").map(PathBuf::from) else {
        writeln!(std::io::stderr(), "GHL_CONTRACT_DIR is not set: the vendor's webhook examples are not checked").unwrap();
        return;
    };
    let mut hints = 0;
    for entry in std::fs::read_dir(directory.join("webhooks")).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if !name.contains(".example") {
            continue;
        }
        let ours = ["Contact", "Task", "Note", "Appointment"].iter().any(|kind| name.starts_with(kind));
        match read(&std::fs::read(entry.path()).unwrap()).unwrap() {
            Webhook::Hint(hint) => {
                assert!(ours, "{name} hints at {}", hint.kind);
                assert!(hint.contact_id.is_some(), "{name} names its contact");
                hints += 1;
            }
            Webhook::Other => assert!(!ours, "{name} is not understood"),
        }
    }
    assert_eq!(hints, 14);
}
