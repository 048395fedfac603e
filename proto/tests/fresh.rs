//! The committed bindings are what the proto files say.

use std::path::{Path, PathBuf};

fn proto_files(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

fn generate(out: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    proto_files(&root.join("mirror"), &mut files)?;
    files.sort();
    let descriptors = protox::compile(files, [root])?;
    std::fs::create_dir_all(out)?;
    let bytes = prost::Message::encode_to_vec(&descriptors);
    std::fs::write(out.join("descriptors.bin"), bytes)?;
    let mut config = prost_build::Config::new();
    config.enable_type_names();
    tonic_prost_build::configure().out_dir(out).include_file("packages.rs").compile_fds_with_config(descriptors, config)?;
    Ok(())
}

/// Run with `MIRROR_PROTO_WRITE=1` to renew the bindings (`just proto`).
#[test]
fn the_committed_bindings_are_fresh() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen");
    if std::env::var_os("MIRROR_PROTO_WRITE").is_some() {
        generate(&committed).expect("bindings are written");
    }
    let fresh = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("gen");
    generate(&fresh).expect("bindings are generated");
    for entry in std::fs::read_dir(&fresh).expect("generated files").flatten() {
        let (new, old) = (std::fs::read(entry.path()), std::fs::read(committed.join(entry.file_name())));
        assert_eq!(new.ok(), old.ok(), "{:?} is stale: run `just proto`", entry.file_name());
    }
}
