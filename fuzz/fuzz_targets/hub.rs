//! Answers of a hub: what a server on this machine says, part after part.
#![no_main]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use tallow_fuzz::folder;
use tallow_hub::Hub;

/// What the server says, one answer after the other; an answer ends where two zeros stand.
static ANSWERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

fuzz_target!(|bytes: &[u8]| {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    let endpoint = ENDPOINT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || listener.incoming().flatten().for_each(answer));
        endpoint
    });
    let mut answers: Vec<Vec<u8>> = split(bytes);
    answers.reverse();
    *ANSWERS.lock().expect("answers") = answers;
    let cache = folder().join("cache");
    let hub = Hub {
        endpoint: endpoint.clone(),
        cache: cache.clone(),
        token: Some("hf_secret".to_owned()),
        offline: false,
        patience: Duration::from_millis(200),
        delay: Duration::from_millis(1),
    };
    match hub.fetch("owner/name", &["config.json"], &mut |_| ()) {
        Ok(fetched) => assert!(fetched.files.iter().all(|file| file.starts_with(&cache)), "{fetched:?}"),
        Err(error) => assert!(!error.to_string().contains("hf_secret"), "{error}"),
    }
    let _ = fs::remove_dir_all(cache);
});

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut answers = vec![Vec::new()];
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        rest = match rest.strip_prefix(b"\0\0") {
            Some(after) => {
                answers.push(Vec::new());
                after
            }
            None => {
                answers.last_mut().expect("one").push(*first);
                after
            }
        };
    }
    answers
}

/// Reads a request to its end, says the next answer, and closes.
fn answer(mut stream: TcpStream) {
    let mut lines = BufReader::new(&stream).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            break;
        }
    }
    let answer = ANSWERS.lock().expect("answers").pop();
    let _ = stream.write_all(
        &answer.unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()),
    );
}
