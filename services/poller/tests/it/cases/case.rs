//! Reads a file of `tests/cases`.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::agency::Agency;
use crate::script::Scripted;

#[derive(Debug, Deserialize)]
pub(crate) struct Case {
    input: Input,
}

#[derive(Debug, Deserialize)]
struct Input {
    #[serde(default)]
    deliveries: Vec<Delivery>,
    #[serde(default)]
    answers: Vec<Value>,
    #[serde(default)]
    answers_in_turn: Vec<Value>,
    /// Beside each of the answers in turn.
    and: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    body: Option<Value>,
    body_text: Option<String>,
}

impl Case {
    pub(crate) fn load(number: u8) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
        let begins = format!("{number:02}-");
        let mut files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let file = files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&begins)).unwrap();
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    }

    /// The bodies of its webhooks, in their order.
    pub(crate) fn deliveries(&self) -> Vec<Vec<u8>> {
        let bytes = |delivery: &Delivery| match (&delivery.body_text, &delivery.body) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, body) => body.as_ref().unwrap().to_string().into_bytes(),
        };
        self.input.deliveries.iter().map(bytes).collect()
    }

    pub(crate) fn answers(&self) -> Vec<Scripted> {
        self.answers_changed(|_| ())
    }

    /// Its answers, changed by a test.
    pub(crate) fn answers_changed(&self, change: impl Fn(&mut Value)) -> Vec<Scripted> {
        let changed = self.input.answers.iter().cloned().map(|mut answer| {
            change(&mut answer);
            serde_json::from_value(answer).unwrap()
        });
        changed.collect()
    }

    /// The rows of its answers to a search, for the fake GHL to list page by page, and all other answers.
    pub(crate) fn rows_and_answers(&self) -> (Vec<Value>, Vec<Scripted>) {
        let (searches, others): (Vec<Value>, Vec<Value>) =
            self.input.answers.iter().cloned().partition(|answer| answer["path"] == "/contacts/search");
        let rows = searches.iter().flat_map(|answer| answer["body"]["contacts"].as_array().unwrap().clone()).collect();
        (rows, others.into_iter().map(|answer| serde_json::from_value(answer).unwrap()).collect())
    }

    /// The answers of each of its runs.
    pub(crate) fn runs(&self) -> Vec<Vec<Scripted>> {
        let run = |answer: &Value| {
            [answer].into_iter().chain(&self.input.and).map(|answer| serde_json::from_value(answer.clone()).unwrap()).collect()
        };
        self.input.answers_in_turn.iter().map(run).collect()
    }
}

#[test]
fn every_case_can_be_read_and_tried() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let numbers: Vec<u8> = names.filter_map(|name| name.strip_suffix(".json")?.split_once('-')?.0.parse().ok()).collect();
    assert_eq!(numbers.len(), 32);
    for number in numbers {
        let case = Case::load(number);
        assert!(!case.deliveries().is_empty() || !case.answers().is_empty() || !case.runs().is_empty(), "{number}");
    }
}

#[tokio::test]
async fn a_case_gives_its_answers_in_their_time_before_the_usual_ones() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let agency = Agency::northlight();
    let address = agency.start().await;
    agency.script(Case::load(16).answers());
    let notes = async || {
        let path = "contacts/CtAdaMarlow000000001/notes";
        let notes: Value = reqwest::get(format!("{address}/{path}")).await.unwrap().json().await.unwrap();
        notes["notes"].as_array().unwrap().len()
    };
    assert_eq!(notes().await, 1);
    agency.second(19);
    assert_eq!(notes().await, 1);
    agency.second(20);
    assert_eq!(notes().await, 0);
    agency.script(Case::load(13).answers());
    for status in [403, 403, 403, 200] {
        assert_eq!(reqwest::get(format!("{address}/contacts/CtAdaMarlow000000001")).await.unwrap().status(), status);
    }
    assert!(reqwest::get(format!("{address}/contacts/CtBenOkafor000000002")).await.unwrap().status() == 400, "as usual");
}
