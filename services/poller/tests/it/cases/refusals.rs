//! Refusals that are no word about the token.

use crate::agency::Agency;
use crate::cases::Case;
use crate::fixture::{PollerFixture, eventually};

const ADA: &str = "CtAdaMarlow000000001";

#[tokio::test(flavor = "multi_thread")]
async fn case_13_a_gateways_403_is_tried_again_and_says_nothing_of_the_token() {
    let agency = Agency::northlight();
    agency.put(ADA, 1);
    let fixture = PollerFixture::start("case-13", agency.clone(), "watch.interval = \"1h\"").await;
    fixture.until_backfilled().await;
    agency.script(Case::load(13).answers());
    assert_eq!(fixture.send("ContactUpdate", serde_json::json!({"id": ADA})).await, 200);
    let email = || async {
        let refused = fixture.metric("token_refused", "location=\"LocNorthlight0000001\"").await;
        assert_eq!(refused.unwrap_or_default(), 0.0, "the token is never said to be refused");
        assert_eq!(fixture.to_mend().await, "");
        (fixture.records(ADA).await[ADA]["email"] == "ada.marlow@example.org").then_some(())
    };
    eventually("the answer after three pages of a gateway", email).await;
    assert!(fixture.log.parked().list(None, None, 10).await.unwrap().is_empty());
    fixture.stop().await;
}
