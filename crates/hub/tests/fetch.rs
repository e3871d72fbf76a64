//! `fetch` against a hub on loopback. Each fetch runs in a process of its own with an environment of its own: this test
//! binary, started again for the test `child`.

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use server::{Delivery, Repository, Server};
use sha2::{Digest, Sha256};
use tallow_hub::Hub;
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const TOKEN: &str = "hf_neverShowThis";

/// Not a test: what the others start. Prints `ok COMMIT FOLDER`, or `error MESSAGE`; before that `progress FILE DONE TOTAL`.
#[test]
#[ignore = "run by the other tests as their child"]
fn child() {
    let reference = env::var("TEST_REFERENCE").unwrap();
    let files = env::var("TEST_FILES").unwrap();
    let files: Vec<&str> = files.split(',').collect();
    let patience = env::var("TEST_PATIENCE").map_or(20_000, |ms| ms.parse().unwrap());
    let hub =
        Hub { patience: Duration::from_millis(patience), delay: Duration::from_millis(1), ..Hub::from_env() };
    let progress =
        &mut |p: tallow_hub::Progress<'_>| println!("\nprogress {} {} {}", p.file, p.done, p.total);
    match hub.fetch(&reference, &files, progress) {
        Ok(fetched) => {
            assert_eq!(fetched.files, files.iter().map(|file| fetched.folder.join(file)).collect::<Vec<_>>());
            println!("\nok {} {}", fetched.commit, fetched.folder.display());
        }
        Err(error) => println!("\nerror {error}"),
    }
}

struct Client {
    home: TempDir,
    variables: Vec<(String, String)>,
}

#[derive(Debug)]
struct Outcome {
    result: Result<PathBuf, String>,
    progress: Vec<String>,
    all: String,
}

impl Client {
    fn new(endpoint: &str) -> Client {
        let client = Client { home: tempfile::tempdir().unwrap(), variables: Vec::new() };
        client.with("HF_ENDPOINT", endpoint)
    }

    fn with(mut self, name: &str, value: &str) -> Client {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn cache(&self) -> PathBuf {
        self.home.path().join("hub")
    }

    fn fetch(&self, reference: &str, files: &str) -> Outcome {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"]);
        command.env_clear().env("HF_HOME", self.home.path()).envs(self.variables.iter().cloned());
        command.env("TEST_REFERENCE", reference).env("TEST_FILES", files);
        let output = command.output().unwrap();
        let all =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{all}");
        let lines = |start: &'static str| all.lines().filter_map(move |line| line.strip_prefix(start));
        let progress = lines("progress ").map(str::to_owned).collect();
        let result = match (lines("ok ").next(), lines("error ").next()) {
            (Some(ok), None) => {
                let (commit, folder) = ok.split_once(' ').unwrap();
                assert_eq!(commit, COMMIT);
                Ok(PathBuf::from(folder))
            }
            (None, Some(error)) => Err(error.to_owned()),
            _ => panic!("expected one result: {all}"),
        };
        Outcome { result, progress, all }
    }

    fn error(&self, reference: &str, files: &str) -> String {
        let outcome = self.fetch(reference, files);
        assert!(!outcome.all.contains(TOKEN) && !outcome.all.contains("Signature"), "{}", outcome.all);
        outcome.result.expect_err("an error")
    }
}

fn weights() -> Vec<u8> {
    (0..300_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn timm(delivery: Delivery) -> Repository {
    let weights = weights();
    let repository = Repository::new("timm/net").with("config.json", b"{\"architecture\": \"resnet18\"}");
    repository.with_large("model.safetensors", &weights, &sha256(&weights), delivery)
}

/// Whether nothing that looks like the file is in the cache.
fn nothing_stays(cache: &Path) -> bool {
    let folder = cache.join("models--timm--net");
    let blobs = fs::read_dir(folder.join("blobs")).map_or(0, |entries| {
        entries
            .flatten()
            .filter(|entry| !entry.file_name().to_string_lossy().ends_with(".incomplete"))
            .count()
    });
    blobs == 0
        && fs::symlink_metadata(folder.join("snapshots").join(COMMIT).join("model.safetensors")).is_err()
}

#[test]
fn weights_and_configuration_land_in_the_standard_cache() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let client = Client::new(&server.url()).with("HF_TOKEN", TOKEN);
    let first = client.fetch("timm/net", "model.safetensors,config.json");
    let folder = first.result.unwrap();
    assert_eq!(folder, client.cache().join("models--timm--net/snapshots").join(COMMIT));
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(fs::read(folder.join("config.json")).unwrap(), b"{\"architecture\": \"resnet18\"}");
    assert_eq!(fs::read_to_string(client.cache().join("models--timm--net/refs/main")).unwrap(), COMMIT);
    assert!(client.cache().join("models--timm--net/blobs").join(sha256(&weights())).exists());
    assert_eq!(first.progress.first().unwrap(), "model.safetensors 0 300000");
    assert!(first.progress.contains(&"model.safetensors 300000 300000".to_owned()), "{:?}", first.progress);

    // The token goes to the hub alone; the second file is asked for at the commit of the first.
    let requests = server.requests("");
    let (content, hub): (Vec<_>, Vec<_>) = requests.iter().partition(|request| request.content);
    assert_eq!(content.len(), 1);
    assert!(!content[0].headers.contains_key("authorization"));
    assert!(hub.iter().all(|request| request.headers["authorization"] == format!("Bearer {TOKEN}")));
    assert!(hub.iter().all(|request| request.headers["user-agent"].starts_with("tallow/")));
    assert!(hub.iter().any(|request| request.path == format!("/timm/net/resolve/{COMMIT}/config.json")));

    // Again: one question whether `main` is still that commit, and no byte of a file.
    let gets = server.requests("GET").len();
    let second = client.fetch("timm/net", "model.safetensors,config.json");
    assert_eq!(second.result.unwrap(), folder);
    assert_eq!((second.progress.len(), server.requests("GET").len()), (0, gets));
    assert_eq!(server.requests("HEAD").len(), 3);
}

#[test]
fn a_revision_is_a_branch_a_tag_or_a_commit() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let client = Client::new(&server.url());
    let folder = client.fetch("timm/net@v1.0", "config.json").result.unwrap();
    assert_eq!(client.fetch(&format!("timm/net@{COMMIT}"), "config.json").result.unwrap(), folder);
    assert_eq!(server.requests("HEAD").len(), 1); // the commit was in the cache: nothing to ask
    assert_eq!(
        client.error("timm/net@v9", "config.json"),
        "`config.json` of `timm/net@v9`: the repository has no revision `v9`; expected a branch, a tag or a commit"
    );
}

#[test]
fn offline_means_the_cache_alone() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let client = Client::new(&server.url());
    let folder = client.fetch("timm/net", "config.json").result.unwrap();
    let asked = server.requests("").len();
    let client = client.with("HF_HUB_OFFLINE", "1");
    assert_eq!(client.fetch("timm/net", "config.json").result.unwrap(), folder);
    let cache = client.cache();
    assert_eq!(
        client.error("timm/net", "model.safetensors"),
        format!(
            "`model.safetensors` of `timm/net`: not in the cache {}, and HF_HUB_OFFLINE forbids to fetch it; \
             unset HF_HUB_OFFLINE, or give the path of a local file",
            cache.display()
        )
    );
    assert!(client.error("timm/net@v1.0", "config.json").contains("not in the cache"));
    assert_eq!(server.requests("").len(), asked);
    let no = Client::new(&server.url()).with("HF_HUB_OFFLINE", "0");
    no.fetch("timm/net", "config.json").result.unwrap();
}

#[test]
fn the_environment_says_where_the_cache_is() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let elsewhere = tempfile::tempdir().unwrap();
    let client = Client::new(&server.url()).with("HF_HUB_CACHE", elsewhere.path().to_str().unwrap());
    let folder = client.fetch("timm/net", "config.json").result.unwrap();
    assert!(folder.starts_with(elsewhere.path()) && !client.cache().exists(), "{}", folder.display());
}

#[test]
fn what_does_not_exist() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let client = Client::new(&server.url());
    let url = server.url();
    assert_eq!(
        client.error("timm/other", "config.json"),
        format!("`config.json` of `timm/other`: {url} has no repository `timm/other`; check owner and name")
    );
    assert_eq!(
        client.error("timm/net", "pytorch_model.bin"),
        "`pytorch_model.bin` of `timm/net`: the repository has no such file; it has config.json, model.safetensors"
    );
    assert!(client.error("net", "config.json").starts_with("`net`: no owner; expected owner/name"));
    assert!(client.error("timm/net", "../secret").contains("`../secret` is no file of a repository"));
}

#[test]
fn who_may_not_read() {
    let private = Repository { token: Some(TOKEN.to_owned()), ..timm(Delivery::Whole) };
    let gated = Repository { id: "timm/gated".to_owned(), gated: true, ..timm(Delivery::Whole) };
    let server = Server::start(vec![private, gated]);
    let url = server.url();
    let ask = format!(
        "`config.json` of `timm/net`: {url} refuses it (401); check the name: the hub says so, too, of repositories that do not exist"
    );
    let nobody = Client::new(&url);
    assert_eq!(
        nobody.error("timm/net", "config.json"),
        format!("{ask}; if it is private or gated, set HF_TOKEN")
    );
    let stranger = Client::new(&url).with("HF_TOKEN", "hf_other");
    let error = stranger.error("timm/net", "config.json");
    assert_eq!(error, format!("{ask}; if it is right, the token that was sent may not read it"));
    assert_eq!(
        nobody.error("timm/gated", "config.json"),
        format!(
            "`config.json` of `timm/gated`: {url} forbids it (403): GatedRepo; \
             accept the terms at {url}/timm/gated and check what the token may read"
        )
    );
    // The token is good, from the variable or the file, line end and all; the server says it back and nobody sees it.
    let owner = Client::new(&url).with("HF_TOKEN", &format!("{TOKEN}\n"));
    owner.fetch("timm/net", "config.json").result.unwrap();
    assert!(owner.error("timm/gated", "config.json").contains("(403): GatedRepo Bearer ***; "));
    let file = Client::new(&url);
    fs::write(file.home.path().join("token"), format!("{TOKEN}\n")).unwrap();
    file.fetch("timm/net", "config.json").result.unwrap();
    let shy = file.with("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
    assert!(shy.error("timm/net", "model.safetensors").contains("(401)"));
}

#[test]
fn a_refused_connection_falls_back_on_the_cache() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap(); // free again at once
    let client = Client::new(&format!("http://user:password@{port}"));
    let error = client.error("timm/net", "config.json");
    assert!(
        error.starts_with(&format!("`config.json` of `timm/net`: cannot reach http://{port} (")),
        "{error}"
    );
    assert!(error.contains("refused") && error.ends_with("or give the path of a local file"), "{error}");

    let server = Server::start(vec![timm(Delivery::Whole)]);
    let mut client = Client::new(&server.url());
    let folder = client.fetch("timm/net", "config.json").result.unwrap();
    client.variables[0].1 = format!("http://{port}");
    assert_eq!(client.fetch("timm/net", "config.json").result.unwrap(), folder);
}

#[test]
fn a_slow_transfer_arrives() {
    // 30 pieces, 0.1 s apart: 3 s in all, with 1.5 s of patience.
    let server = Server::start(vec![timm(Delivery::Slow(10_000, Duration::from_millis(100)))]);
    let client = Client::new(&server.url()).with("TEST_PATIENCE", "1500");
    let outcome = client.fetch("timm/net", "model.safetensors");
    assert_eq!(fs::read(outcome.result.unwrap().join("model.safetensors")).unwrap(), weights());
    assert!(outcome.progress.len() > 5, "{:?}", outcome.progress);
}

#[test]
fn a_cut_transfer_is_repeated() {
    let server = Server::start(vec![timm(Delivery::Cut(100_000, 2))]);
    let client = Client::new(&server.url());
    let folder = client.fetch("timm/net", "model.safetensors").result.unwrap();
    assert_eq!(fs::read(folder.join("model.safetensors")).unwrap(), weights());
    assert_eq!(server.requests("").iter().filter(|request| request.content).count(), 3);
}

#[test]
fn what_never_arrives_whole_is_named_and_not_kept() {
    for (delivery, problem) in [
        (Delivery::Cut(100_000, 9), "the transfer was cut (".to_owned()),
        (Delivery::Page(403), "expected 300000 bytes, got 40".to_owned()),
        (Delivery::Wrong, format!("expected SHA-256 {}, got ", sha256(&weights()))),
    ] {
        let server = Server::start(vec![timm(delivery)]);
        let client = Client::new(&server.url());
        let error = client.error("timm/net", "model.safetensors");
        assert!(error.starts_with(&format!("`model.safetensors` of `timm/net`: {problem}")), "{error}");
        assert!(
            error.ends_with("after 3 attempts; try again later, or give the path of a local file"),
            "{error}"
        );
        assert!(nothing_stays(&client.cache()));
    }
}

#[test]
fn silence_is_named() {
    let server = Server::start(vec![timm(Delivery::Silent)]);
    let client = Client::new(&server.url()).with("TEST_PATIENCE", "1000");
    let error = client.error("timm/net", "model.safetensors");
    assert!(error.contains(&format!("{} has been silent for 1 s; try again later", server.url())), "{error}");
    assert!(nothing_stays(&client.cache()));
}

#[test]
fn other_answers() {
    let broken = Repository { fails: Some(503), ..timm(Delivery::Whole) };
    let teapot = Repository { id: "timm/teapot".to_owned(), fails: Some(418), ..timm(Delivery::Whole) };
    let busy = Repository { id: "timm/busy".to_owned(), fails: Some(429), ..timm(Delivery::Whole) };
    let server = Server::start(vec![broken, teapot, busy]);
    let client = Client::new(&server.url());
    assert!(client.error("timm/net", "config.json").contains("answered 503"));
    assert_eq!(server.requests("HEAD").len(), 6); // five times again
    assert!(client.error("timm/teapot", "config.json").contains("answered 418"));
    assert!(
        client
            .error("timm/busy", "config.json")
            .contains("answered 429, too many requests; try again; with HF_TOKEN")
    );
    let error = Client::new("not an address").error("timm/net", "config.json");
    assert!(error.starts_with("not an address: ") && error.ends_with("in HF_ENDPOINT"), "{error}");
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let server = Server::start(vec![timm(Delivery::Whole)]);
    let client = Client::new(&server.url());
    fs::write(client.cache(), "a file where the folder should be").unwrap();
    let error = client.error("timm/net", "config.json");
    let start = format!("`config.json` of `timm/net`: cache {}: ", client.cache().display());
    assert!(error.starts_with(&start) && error.ends_with("make it writable or set HF_HUB_CACHE"), "{error}");
}
