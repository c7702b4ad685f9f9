//! An HTTP server on the loopback interface that misbehaves on request.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How a request is answered.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The whole content, or the requested range.
    Whole,
    /// As `Whole`, but the connection closes after this many bytes.
    CutAfter(usize),
    /// As `Whole`, but after this many bytes nothing more is sent and the connection stays open.
    StallAfter(usize),
    /// The whole content, ignoring the requested range.
    AllOfIt,
    /// As `Whole`, in two halves with this pause between them.
    Slowly(Duration),
    /// An endless stream of bytes without a content length.
    Endless,
    /// A range other than the requested one.
    WrongPart,
    /// This status, without content.
    Status(&'static str),
    /// A redirect to this URL.
    Redirect(String),
}

/// A server that runs until the test process ends.
pub struct Server {
    /// `http://127.0.0.1:<port>`
    pub address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Serves `content` at any path. Each request gets the next of `answers`; the last answer
    /// repeats.
    pub fn start(content: Vec<u8>, answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<Answer> = answers.into_iter().collect();
        let (content, seen) = (Arc::new(content), requests.clone());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (content, seen, answers) = (content.clone(), seen.clone(), answers.clone());
                // Errors are ignored: clients may close the connection early.
                thread::spawn(move || answer(&mut connection?, &content, &answers, &seen));
            }
        });
        Self { address, requests }
    }

    /// The heads of the requests received, in lower case.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// The first byte that each request asked for, or 0 if it had no range.
    pub fn asked_from(&self) -> Vec<usize> {
        self.requests().iter().map(|head| first_byte(head).unwrap_or(0)).collect()
    }
}

fn first_byte(head: &str) -> Option<usize> {
    let (_, range) = head.split_once("range: bytes=")?;
    range.split('-').next()?.parse().ok()
}

fn answer(
    connection: &mut TcpStream,
    content: &[u8],
    answers: &[Answer],
    seen: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head)? > 0 {}
    let head = head.to_lowercase();
    let from = first_byte(&head).unwrap_or(0);
    let mut seen = seen.lock().unwrap();
    let answer = &answers[seen.len().min(answers.len() - 1)];
    seen.push(head);
    drop(seen);
    let start = if matches!(answer, Answer::AllOfIt) { 0 } else { from.min(content.len()) };
    let body = &content[start..];
    let status = match (answer, start) {
        (Answer::Status(status), _) => {
            return write!(
                connection,
                "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        (Answer::Redirect(to), _) => {
            return write!(
                connection,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        (Answer::Endless, _) => {
            write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            loop {
                connection.write_all(&[7; 4096])?;
            }
        }
        (_, 0) => "HTTP/1.1 200 OK\r\n".to_owned(),
        (_, start) => {
            let start = if matches!(answer, Answer::WrongPart) { start + 1 } else { start };
            let (last, length) = (content.len() - 1, content.len());
            format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {start}-{last}/{length}\r\n"
            )
        }
    };
    write!(connection, "{status}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    match answer {
        Answer::CutAfter(bytes) => connection.write_all(&body[..*bytes]),
        Answer::StallAfter(bytes) => {
            connection.write_all(&body[..*bytes])?;
            thread::sleep(Duration::from_secs(3600));
            Ok(())
        }
        Answer::Slowly(pause) => {
            let (first, second) = body.split_at(body.len() / 2);
            connection.write_all(first)?;
            thread::sleep(*pause);
            connection.write_all(second)
        }
        _ => connection.write_all(body),
    }
}
