//! An auditor's questions, and what somebody above the guards cannot hide.

use std::path::Path;

use proof::{SigningKey, read_checkpoints};

use crate::support::{AdminFixture, offline_mirrorctl};

/// A key of its own, and a seal every few milliseconds.
fn sealing(seed: u8) -> String {
    let pem = SigningKey::from_seed(&[seed; 32]).to_pem().unwrap();
    format!("seal = {{ directory = \"DIRECTORY/seal\", key = '''{pem}''', interval = \"20ms\" }}\nproof = {{ range_events = 3 }}")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

async fn five_events(admin: &AdminFixture) {
    for second in 1..=5 {
        admin.observe("c1", &format!("Ann {second}"), second).await;
    }
}

/// Waits until a position is sealed, and gives the lines.
async fn sealed(admin: &AdminFixture, seq: u64) -> String {
    admin
        .eventually("a seal", async || {
            let (code, lines, _) = admin.mirrorctl(&["--json", "log", "checkpoints"]).await;
            (code == 0 && lines.contains(&format!("\"seq\":{seq},"))).then_some(lines)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_verified_without_any_key() {
    let admin = AdminFixture::start("proof_plain", Some("loc"), "").await;
    five_events(&admin).await;
    let (code, said, _) = admin.mirrorctl(&["log", "verify"]).await;
    assert_eq!((code, said.contains("5 events fit together")), (0, true), "{said}");
    let (code, _, complaint) = admin.mirrorctl(&["log", "checkpoints"]).await;
    assert_eq!((code, complaint.contains("seal.key")), (5, true), "{complaint}");
    admin.tamper("UPDATE events SET payload = payload || '\\x20' WHERE seq = 4").await;
    let (code, _, complaint) = admin.mirrorctl(&["log", "verify"]).await;
    assert_eq!((code, complaint.as_str()), (1, "mirrorctl: position 4: the hash does not match\n"));
    let (code, _, _) = admin.mirrorctl(&["--location", "nobody", "log", "verify"]).await;
    assert_eq!(code, 3);
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_grows_is_sealed_and_extends_every_seal() {
    let admin = AdminFixture::start("proof_sealed", Some("loc"), &sealing(7)).await;
    admin.act("first").await;
    sealed(&admin, 1).await;
    five_events(&admin).await;
    let lines = sealed(&admin, 6).await;
    let kept = admin.directory.join("kept.jsonl");
    std::fs::write(&kept, &lines).unwrap();
    let file = std::fs::read_to_string(admin.directory.join("seal/checkpoints.jsonl")).unwrap();
    assert_eq!(read_checkpoints(&file), read_checkpoints(&lines));
    let key = admin.directory.join("seal/public-key.pem");
    assert_eq!(admin.mirrorctl(&["log", "key"]).await.1, std::fs::read_to_string(&key).unwrap());
    let (code, said, complaint) = admin.mirrorctl(&["log", "verify", "--checkpoints", text(&kept), "--public-key", text(&key)]).await;
    assert_eq!((code, said.contains("the log extends")), (0, true), "{said}{complaint}");
    let other = admin.directory.join("other.pem");
    std::fs::write(&other, SigningKey::from_seed(&[8; 32]).public().to_pem().unwrap()).unwrap();
    let (code, _, complaint) = admin.mirrorctl(&["log", "verify", "--checkpoints", text(&kept), "--public-key", text(&other)]).await;
    assert_eq!((code, complaint.contains("not signed by a trusted key")), (1, true), "{complaint}");
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_cut_off_is_found_by_the_seal_and_never_sealed_over() {
    let admin = AdminFixture::start("proof_cut", Some("loc"), &sealing(7)).await;
    five_events(&admin).await;
    let before = sealed(&admin, 5).await;
    admin.tamper("DELETE FROM events WHERE seq > 3; UPDATE log_head SET seq = 3, hash = (SELECT hash FROM events WHERE seq = 3)").await;
    let (code, _, complaint) = admin.mirrorctl(&["log", "verify"]).await;
    assert_eq!((code, complaint.starts_with("mirrorctl: position 4: the log ends before it")), (1, true), "{complaint}");
    for verb in ["a", "b", "c"] {
        admin.act(verb).await;
    }
    let (code, _, complaint) = admin.mirrorctl(&["log", "verify"]).await;
    assert_eq!((code, complaint.contains(": the checkpoint of")), (1, true), "{complaint}");
    assert_eq!(admin.mirrorctl(&["--json", "log", "checkpoints"]).await.1, before);
    admin.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_proves_itself_offline_and_comes_back_hash_for_hash() {
    let admin = AdminFixture::start("proof_export", Some("loc"), &sealing(7)).await;
    five_events(&admin).await;
    let kept = admin.directory.join("kept.jsonl");
    std::fs::write(&kept, sealed(&admin, 5).await).unwrap();
    let (file, key) = (admin.directory.join("log.export"), admin.directory.join("seal/public-key.pem"));
    let (code, said, complaint) = admin.mirrorctl(&["log", "export", "-o", text(&file)]).await;
    assert_eq!((code, said.contains("5 events")), (0, true), "{complaint}");
    assert_eq!(admin.mirrorctl(&["log", "export", "-o", text(&file)]).await.0, 2, "a file that is there is left alone");
    let nowhere = AdminFixture::start("proof_import", None, "").await;
    let offline =
        ["--endpoint", "http://127.0.0.1:1", "log", "verify", text(&file), "--checkpoints", text(&kept), "--public-key", text(&key)];
    let (code, said, complaint) = offline_mirrorctl(&offline).await;
    assert_eq!((code, said.contains("the log extends")), (0, true), "{said}{complaint}");
    let (code, said, complaint) = nowhere.mirrorctl(&["log", "import", text(&file)]).await;
    assert_eq!((code, said.contains("5 events imported")), (0, true), "{complaint}");
    // How much of a record was read is kept beside the log, and is not known of one that is built from it.
    let known = "(SELECT location_id, contact_id, kind, record_id, present, asked_at, epoch, seq, content FROM known_records)";
    for table in ["events", "log_head", "locations", known] {
        assert_eq!(nowhere.rows(table).await, admin.rows(table).await, "{table}");
    }
    let (code, _, complaint) = nowhere.mirrorctl(&["log", "import", text(&file)]).await;
    assert_eq!((code, complaint.contains("has events already")), (5, true), "{complaint}");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    assert_eq!(nowhere.mirrorctl(&["log", "verify", text(&file)]).await.0, 1);
    admin.stop().await;
    nowhere.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_a_rewritten_log_does_not_extend_what_was_kept() {
    let admin = AdminFixture::start("proof_rewritten", Some("loc"), &sealing(7)).await;
    five_events(&admin).await;
    let kept = admin.directory.join("kept.jsonl");
    std::fs::write(&kept, sealed(&admin, 5).await).unwrap();
    admin.tamper("DELETE FROM events WHERE seq > 3; UPDATE log_head SET seq = 3, hash = (SELECT hash FROM events WHERE seq = 3)").await;
    let file = admin.directory.join("log.export");
    assert_eq!(admin.mirrorctl(&["log", "export", "-o", text(&file)]).await.0, 0);
    let (code, _, complaint) = offline_mirrorctl(&["log", "verify", text(&file), "--checkpoints", text(&kept)]).await;
    assert_eq!((code, complaint.starts_with("mirrorctl: position 4: the log ends before it")), (1, true), "{complaint}");
    admin.stop().await;
}
