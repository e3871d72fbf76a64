//! Publishing to a small hub on loopback, and what goes wrong on the way.

mod server;

use server::{Fault, Repository, Server};
use std::path::PathBuf;
use std::time::Duration;
use tallow_hub::{Error, Hub, Published, Result, Upload};

const TOKEN: &str = "hf_neverShowThis";

struct Desk {
    folder: tempfile::TempDir,
    server: Server,
}

impl Desk {
    fn new(repositories: Vec<Repository>) -> Desk {
        Desk { folder: tempfile::tempdir().unwrap(), server: Server::start(repositories) }
    }

    fn hub(&self) -> Hub {
        Hub {
            endpoint: self.server.url(),
            cache: self.folder.path().join("cache"),
            token: Some(TOKEN.to_owned()),
            offline: false,
            patience: Duration::from_secs(20),
            delay: Duration::from_millis(1),
        }
    }

    /// A card, a configuration and weights of 300 kB.
    fn files(&self) -> Vec<(String, PathBuf)> {
        let weights: Vec<u8> = (0..300_000u32).map(|i| (i * 7 + i / 251) as u8).collect();
        let contents: [(&str, &[u8]); 4] =
            [("README.md", b"ours"), ("config.json", b"{}"), ("model.safetensors", &weights), ("empty", b"")];
        let write = |(name, content): (&str, &[u8])| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            (name.to_owned(), path)
        };
        contents.into_iter().map(write).collect()
    }

    fn publish(&self, hub: &Hub, create_pr: bool) -> Result<Published> {
        self.publish_to("me/net", hub, create_pr)
    }

    fn publish_to(&self, repository: &str, hub: &Hub, create_pr: bool) -> Result<Published> {
        let (files, may) = (self.files(), |theirs: &[u8]| theirs == b"ours, older");
        let upload = Upload {
            repository,
            private: false,
            create_pr,
            message: "weights",
            files: &files,
            guarded: Some(("README.md", &may)),
        };
        hub.publish(&upload, &mut |_| ())
    }

    fn puts(&self) -> usize {
        self.server.requests("PUT").len()
    }
}

#[test]
fn what_is_published_is_there_to_the_byte() {
    let desk = Desk::new(Vec::new());
    let mut sent = 0;
    let files = desk.files();
    let upload = Upload {
        repository: "me/net",
        private: true,
        create_pr: false,
        message: "weights",
        files: &files,
        guarded: None,
    };
    let published = desk.hub().publish(&upload, &mut |at| sent = at.done.max(sent)).unwrap();
    assert_eq!(sent, 300_000);
    assert_eq!((published.address, published.kept), (format!("{}/me/net", desk.server.url()), None));
    let there = desk.server.repository("me/net").unwrap();
    assert_eq!((there.token.as_deref(), there.commit), (Some(TOKEN), published.commit));
    for (name, path) in &files {
        assert_eq!(there.files[name].bytes, std::fs::read(path).unwrap(), "{name}");
    }
    assert!(there.files["model.safetensors"].redirected && !there.files["config.json"].redirected);
    // The token goes to the hub and nowhere else.
    for request in desk.server.requests("") {
        assert_eq!(request.headers.contains_key("authorization"), !request.content, "{}", request.path);
    }
    let fetched = desk.hub().fetch("me/net", &["model.safetensors"], &mut |_| ()).unwrap();
    assert_eq!(std::fs::read(&fetched.files[0]).unwrap(), std::fs::read(&files[2].1).unwrap());
}

#[test]
fn an_interrupted_upload_goes_on() {
    let desk = Desk::new(Vec::new());
    // Cut in the middle, then refused for being too much, then taken slowly.
    desk.server.fail(Fault::cut("/lfs/", 100_000));
    desk.server.fail(Fault::status("/lfs/", 503));
    desk.server.fail(Fault::slow("/lfs/", 50_000, Duration::from_millis(1)));
    // The commit fails for good: the next call has the weights already.
    (0..5).for_each(|_| desk.server.fail(Fault::status("/commit/", 503)));
    let error = desk.publish(&desk.hub(), false).unwrap_err().to_string();
    assert!(error.contains("answered 503") && error.contains("what was sent stays"), "{error}");
    assert!(!error.contains(TOKEN), "{error}");
    assert!(!desk.server.repository("me/net").unwrap().files.contains_key("config.json"));
    let puts = desk.puts();
    let published = desk.publish(&desk.hub(), false).unwrap();
    assert_eq!((published.there, desk.puts()), (vec!["model.safetensors".to_owned()], puts));
    assert_eq!(desk.server.repository("me/net").unwrap().files["model.safetensors"].bytes.len(), 300_000);
}

#[test]
fn a_readme_of_someone_else_stays() {
    let theirs = Repository::new("me/net").with("README.md", b"by hand");
    let desk = Desk::new(vec![theirs]);
    let published = desk.publish(&desk.hub(), false).unwrap();
    assert_eq!(published.kept.as_deref(), Some("README.md"));
    let there = desk.server.repository("me/net").unwrap();
    assert_eq!((there.files["README.md"].text().as_str(), there.files.len()), ("by hand", 4));
    let desk = Desk::new(vec![Repository::new("me/net").with("README.md", b"ours, older")]);
    assert_eq!(desk.publish(&desk.hub(), false).unwrap().kept, None);
    assert_eq!(desk.server.repository("me/net").unwrap().files["README.md"].text(), "ours");
}

#[test]
fn a_proposal_changes_nothing() {
    let desk = Desk::new(vec![Repository::new("me/net")]);
    let published = desk.publish(&desk.hub(), true).unwrap();
    assert_eq!(published.address, format!("{}/me/net/discussions/1", desk.server.url()));
    assert!(desk.server.repository("me/net").unwrap().files.is_empty());
    let asked = desk.server.requests("POST");
    assert!(
        !asked.iter().any(|request| request.path.contains("create") && !request.path.contains("create_pr"))
    );
}

#[test]
fn refusals_say_what_to_do() {
    let refused = |hub: &dyn Fn(Hub) -> Hub, fault: Option<Fault>, words: &[&str]| {
        let desk = Desk::new(Vec::new());
        if let Some(fault) = fault {
            // As often as it is tried.
            (0..5).for_each(|_| desk.server.fail(fault.clone()));
        }
        let error = desk.publish(&hub(desk.hub()), false).unwrap_err().to_string();
        for word in words.iter().chain(&["`me/net`"]) {
            assert!(error.contains(word), "no `{word}` in {error}");
        }
        assert!(!error.contains(TOKEN) && !error.contains("secret"), "{error}");
    };
    let same = |hub: Hub| hub;
    let status = |path, status| Some(Fault::status(path, status));
    refused(&|hub| Hub { token: None, ..hub }, None, &["set HF_TOKEN", "/settings/tokens"]);
    refused(&|hub| Hub { offline: true, ..hub }, None, &["HF_HUB_OFFLINE"]);
    refused(&same, status("/repos/create", 401), &["(401)", "HF_TOKEN", "may write"]);
    refused(&same, status("/repos/create", 403), &["(403)", "`me`", "--create-pr"]);
    refused(&same, status("/preupload/", 404), &["has no repository `me/net`"]);
    refused(&same, status("/commit/", 409), &["others changed the repository meanwhile", "publish again"]);
    refused(&same, status("/objects/batch", 429), &["429", "what was sent stays"]);
    refused(&same, status("/objects/batch", 503), &["503"]);
    let gone = |hub: Hub| Hub { endpoint: "http://127.0.0.1:1".to_owned(), ..hub };
    refused(&gone, None, &["cannot reach http://127.0.0.1:1", "HF_ENDPOINT"]);
    // Once is no refusal.
    let desk = Desk::new(Vec::new());
    for (path, status) in [("/commit/", 409), ("/repos/create", 429), ("/preupload/", 503), ("/verify", 500)]
    {
        desk.server.fail(Fault::status(path, status));
    }
    desk.publish(&desk.hub(), false).unwrap();
}

#[test]
fn a_branch_must_be_there() {
    let mut there = Repository::new("me/net").with("README.md", b"ours, older");
    there.revisions.push("trial/2".to_owned());
    let desk = Desk::new(vec![there]);
    let error = desk.publish_to("me/net@trial/3", &desk.hub(), false).unwrap_err().to_string();
    assert_eq!(
        error,
        "`me/net`: the repository has no revision `trial/3`; make that branch on the hub, or publish to `main`: owner/name alone"
    );
    assert_eq!(desk.puts(), 0);
    desk.publish_to("me/net@trial/2", &desk.hub(), false).unwrap();
}

#[test]
fn a_silent_hub_is_left() {
    let desk = Desk::new(Vec::new());
    desk.server.fail(Fault::slow("/repos/create", 1, Duration::from_secs(5)));
    let hub = Hub { patience: Duration::from_millis(200), ..desk.hub() };
    assert!(matches!(desk.publish(&hub, false), Err(Error::Silent { .. })));
}
