use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::part::Part;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const FILES: [&str; 4] = [
    "plain/test/0000.parquet",
    "plain/train/0000.parquet",
    "plain/train/0001.parquet",
    "other/train/0000.parquet",
];

/// A hub on loopback with one dataset, `a/b`; counts its requests. A file's content is its name.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || answer(stream));
        }
    });
    (address, requests)
}

fn answer(mut stream: TcpStream) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
    let list = |entry: &dyn Fn(&str) -> String| FILES.map(entry).join(",");
    let path = request.split(' ').nth(1).unwrap();
    let (status, body) = if path.starts_with("/api/datasets/a/b/tree/") {
        let entry =
            |name: &str| format!(r#"{{"type":"file","path":"{name}","size":{},"oid":"x"}}"#, name.len());
        (200, format!("[{}]", list(&entry)))
    } else if path.starts_with("/api/datasets/a/b/revision/refs%2Fconvert%2Fparquet") {
        let entry = |name: &str| format!(r#"{{"rfilename":"{name}"}}"#);
        (200, format!(r#"{{"id":"a/b","sha":"{COMMIT}","siblings":[{}]}}"#, list(&entry)))
    } else if let Some(name) = path.strip_prefix(&format!("/datasets/a/b/resolve/{COMMIT}/")) {
        (200, name.to_string())
    } else {
        (404, String::new())
    };
    let sent = if request.starts_with("HEAD") { "" } else { body.as_str() };
    let etag = path.replace('/', "-");
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nX-Repo-Commit: {COMMIT}\r\nETag: \"{etag}\"\r\nConnection: close\r\n\r\n{sent}",
        body.len()
    )
    .unwrap();
}

#[test]
fn downloads_one_configuration_once_and_reads_it_without_a_network() {
    let (address, requests) = server();
    let cache = tempfile::tempdir().unwrap();
    let read = |offline, dataset: &str, config| {
        let client = hf_hub::HFClient::builder().endpoint(&address).cache_dir(cache.path()).build_sync();
        parquet_of(client, offline, dataset, config)
    };
    let message = |result: Result<Files>| result.expect_err("refused").to_string();
    assert_eq!(message(read(false, "a/b", None)), "data.config: expected one of other, plain, got none");
    let files = read(false, "a/b", Some("plain")).unwrap();
    let content = |(part, paths): &(Part, Vec<std::path::PathBuf>)| {
        (*part, paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<Vec<_>>())
    };
    let expected = vec![
        (Part::Train, vec!["plain/train/0000.parquet".to_string(), "plain/train/0001.parquet".to_string()]),
        (Part::Test, vec!["plain/test/0000.parquet".to_string()]),
    ];
    assert_eq!(files.iter().map(content).collect::<Vec<_>>(), expected);

    let before = requests.load(Ordering::SeqCst);
    let files = read(true, "a/b", None).unwrap();
    assert_eq!(
        files.iter().map(content).collect::<Vec<_>>(),
        expected,
        "the only configuration in the cache"
    );
    assert_eq!(
        message(read(true, "a/b", Some("plan"))),
        "data.config: no such configuration `plan`; did you mean `plain`? known: plain"
    );
    let absent = message(read(true, "a/c", None));
    assert!(absent.starts_with("hub dataset a/c: ") && absent.contains("HF_HUB_OFFLINE is set"), "{absent}");
    assert_eq!(requests.load(Ordering::SeqCst), before, "offline asks for nothing");

    let absent = message(read(false, "a/c", None));
    assert!(
        absent.starts_with("hub dataset a/c: ") && absent.contains("check the name and the network"),
        "{absent}"
    );
    assert_eq!(message(read(false, "b", None)), "data.hub: expected owner/name, got `b`");
}
