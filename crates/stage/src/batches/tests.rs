use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use settings::Period;
use tokio::sync::{Notify, mpsc};

use super::*;

/// What was said of messages, by number.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<BTreeMap<u32, Vec<&'static str>>>>);

impl Said {
    fn note(&self, number: u32, what: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default().push(what);
    }

    fn of(&self, number: u32) -> Vec<&'static str> {
        self.0.lock().unwrap().get(&number).cloned().unwrap_or_default()
    }
}

struct Numbered(u32, Said);

impl Message for Numbered {
    type Error = &'static str;

    fn traceparent(&self) -> Option<&str> {
        None
    }

    async fn extend(&self) -> Result<(), &'static str> {
        self.1.note(self.0, "extended");
        Ok(())
    }

    async fn ack(self) -> Result<(), &'static str> {
        self.1.note(self.0, "acknowledged");
        Ok(())
    }

    async fn nak(self, _: Duration) -> Result<(), &'static str> {
        self.1.note(self.0, "given back");
        Ok(())
    }
}

struct Numbers(mpsc::Receiver<Vec<Numbered>>);

impl Source for Numbers {
    type Message = Numbered;
    type Error = &'static str;

    async fn batch(&mut self, _: usize) -> Result<Vec<Numbered>, &'static str> {
        match self.0.recv().await {
            Some(messages) => Ok(messages),
            None => std::future::pending().await,
        }
    }
}

/// Even numbers are done, 3 is tried again, the rest is left; each batch waits for leave to end.
struct Deciding(Arc<Notify>);

impl Work<Numbered> for Deciding {
    fn span(&self, _: usize) -> Span {
        Span::none()
    }

    async fn work(&self, messages: &[Numbered], _: &Shutdown) -> Vec<Fate> {
        self.0.notified().await;
        let fate = |number: u32| if number.is_multiple_of(2) { Fate::Done } else { Fate::Left };
        messages.iter().map(|message| if message.0 == 3 { Fate::Retry(Duration::from_secs(1)) } else { fate(message.0) }).collect()
    }
}

fn batches(priority: Option<Priority>) -> Batches {
    let retry = RetrySettings { first: Period::from_millis(1), longest: Period::from_millis(2), deliveries_max: 3.try_into().unwrap() };
    Batches {
        chassis: Chassis::new("stage"),
        metrics: Metrics::default(),
        retry,
        messages_max: 10.try_into().unwrap(),
        in_flight_max: 1.try_into().unwrap(),
        extend_every: Duration::from_millis(1),
        priority,
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited too long until {what}");
}

#[tokio::test]
async fn every_message_of_a_batch_is_settled_by_its_fate_and_kept_in_hand_until_then() {
    let (said, leave, stop) = (Said::default(), Arc::new(Notify::new()), Shutdown::new());
    let (sender, receiver) = mpsc::channel(1);
    let running = tokio::spawn(batches(None).run(Numbers(receiver), Deciding(Arc::clone(&leave)), stop.clone()));
    sender.send((1..=4).map(|number| Numbered(number, said.clone())).collect()).await.ok().unwrap();
    until("the messages are kept in hand", || (1..=4).all(|number| said.of(number).contains(&"extended"))).await;
    // What is in hand is finished, although it is time to stop.
    stop.cancel();
    leave.notify_one();
    running.await.unwrap();
    let settled = |number| said.of(number).into_iter().filter(|what| *what != "extended").collect::<Vec<_>>();
    assert_eq!([settled(1), settled(2), settled(3), settled(4)], [vec![], vec!["acknowledged"], vec!["given back"], vec!["acknowledged"]]);
}

#[tokio::test]
async fn a_lane_that_gives_way_waits_for_the_other_but_not_for_ever() {
    let (said, leave, stop, first) = (Said::default(), Arc::new(Notify::new()), Shutdown::new(), watch::Sender::new(1));
    let (sender, receiver) = mpsc::channel(1);
    let gives_way = batches(Some(Priority::GivesWayTo(first.clone(), Duration::from_secs(3600))));
    let running = tokio::spawn(gives_way.run(Numbers(receiver), Deciding(Arc::clone(&leave)), stop.clone()));
    sender.send(vec![Numbered(2, said.clone())]).await.ok().unwrap();
    leave.notify_one();
    until("it waits for the other lane", || first.receiver_count() == 1).await;
    assert_eq!(said.of(2), [] as [&str; 0], "the other lane has a batch in hand");
    first.send_replace(0);
    until("its turn has come", || said.of(2).contains(&"acknowledged")).await;
    stop.cancel();
    running.await.unwrap();

    let (sender, receiver) = mpsc::channel(1);
    let stop = Shutdown::new();
    let waits_briefly = batches(Some(Priority::GivesWayTo(watch::Sender::new(1), Duration::from_millis(1))));
    let running = tokio::spawn(waits_briefly.run(Numbers(receiver), Deciding(Arc::clone(&leave)), stop.clone()));
    sender.send(vec![Numbered(4, said.clone())]).await.ok().unwrap();
    leave.notify_one();
    until("it has waited long enough", || said.of(4).contains(&"acknowledged")).await;
    stop.cancel();
    running.await.unwrap();
}
