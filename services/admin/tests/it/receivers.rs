//! Where alerts arrive: a server that speaks SMTP and a webhook, both on this machine.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a receiver does with the next message; afterwards it takes every message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Takes,
    /// Refuses it.
    Refuses,
    /// Takes it, and its answer is lost.
    LosesItsAnswer,
}

#[derive(Default)]
struct Inbox {
    mood: Mood,
    messages: Vec<String>,
    /// Attempts, whatever became of them.
    attempts: usize,
}

/// A receiver of messages on a port of its own.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    inbox: Arc<Mutex<Inbox>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// A server for e-mail, without TLS.
    pub(crate) async fn of_mail() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let (port, inbox) = (listener.local_addr().expect("address").port(), Arc::<Mutex<Inbox>>::default());
        let kept = Arc::clone(&inbox);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inbox = Arc::clone(&kept);
                // A client that hangs up has said what it had to say.
                tokio::spawn(async move { drop(serve(stream, &inbox).await) });
            }
        });
        Self { port, inbox, task }
    }

    /// A webhook at `/hook`; its messages are the bodies.
    pub(crate) async fn of_posts() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let (port, inbox) = (listener.local_addr().expect("address").port(), Arc::<Mutex<Inbox>>::default());
        let kept = Arc::clone(&inbox);
        let take = async move |body: String| if arrive(&kept, body) == Mood::Refuses { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
        let routes = Router::new().route("/hook", post(take));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("webhook") });
        Self { port, inbox, task }
    }

    pub(crate) fn next_is(&self, mood: Mood) {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).mood = mood;
    }

    /// The messages that were taken.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).messages.clone()
    }

    pub(crate) fn attempts(&self) -> usize {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).attempts
    }

    /// How many messages have a line that begins like this.
    pub(crate) fn lines(&self, beginning: &str) -> usize {
        self.messages().iter().flat_map(|message| message.lines()).filter(|line| line.starts_with(beginning)).count()
    }
}

/// Keeps the message unless it is refused, and says which it was.
fn arrive(inbox: &Mutex<Inbox>, message: String) -> Mood {
    let mut inbox = inbox.lock().unwrap_or_else(PoisonError::into_inner);
    let mood = std::mem::take(&mut inbox.mood);
    inbox.attempts += 1;
    if mood != Mood::Refuses {
        inbox.messages.push(message);
    }
    mood
}

/// One conversation: as much of RFC 5321 as a sender needs.
async fn serve(stream: TcpStream, inbox: &Mutex<Inbox>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 receiver ESMTP\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let answer: &[u8] = match line.trim_end().to_ascii_uppercase().split([' ', ':']).next() {
            Some("EHLO") => b"250-receiver\r\n250 8BITMIME\r\n",
            Some("HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP") => b"250 fine\r\n",
            Some("DATA") => {
                stream.write_all(b"354 go ahead\r\n").await?;
                match arrive(inbox, read_mail(&mut stream).await?) {
                    Mood::Takes => b"250 taken\r\n",
                    Mood::Refuses => b"451 later\r\n",
                    Mood::LosesItsAnswer => return Ok(()),
                }
            }
            Some("QUIT") => {
                return stream.write_all(b"221 bye\r\n").await;
            }
            _ => b"502 unknown\r\n",
        };
        stream.write_all(answer).await?;
    }
}

/// Up to the line with the dot, with soft line breaks of quoted-printable text undone.
async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(mail.replace("=\r\n", "").replace("=3D", "="));
        }
        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
