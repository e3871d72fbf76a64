//! Weights from the hub: the program against a small hub on loopback.

use crate::program::{Desk, Program, Running, tensors};
use crate::server::{Delivery, Repository, Server};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

const TOKEN: &str = "hf_neverShowThis";

/// resnet20 with ten classes, as a repository holds it.
fn bytes(desk: &Desk) -> Vec<u8> {
    let path = desk.path("theirs.safetensors");
    tallow_models::weights::save(&crate::checkpoint::weights(10, 5), &path, &BTreeMap::new()).unwrap();
    std::fs::read(path).unwrap()
}

fn repository(bytes: &[u8], delivery: Delivery) -> Repository {
    let etag: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let config = br#"{ "architecture": "resnet20", "num_classes": 10, "pretrained_cfg": {
        "input_size": [3, 32, 32], "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bilinear", "crop_pct": 0.875 } }"#;
    Repository::new("timm/net").with("config.json", config).with_large(
        "model.safetensors",
        bytes,
        &etag,
        delivery,
    )
}

fn train(desk: &Desk, server: &Server, weights: &str) -> Running {
    let weights = format!("model.weights={weights}");
    let program = desk.program(Program::Train).args(&["tiny.yaml", &weights, "--dry-run"]);
    program.env("HF_ENDPOINT", server.url()).env("HF_HOME", desk.path("hf"))
}

fn loss(said: &str) -> &str {
    said.lines().find(|line| line.contains("loss of step 1")).expect("a loss")
}

#[test]
fn weights_come_from_the_hub_and_then_from_the_cache() {
    let desk = Desk::new();
    let bytes = bytes(&desk);
    let server = Server::start(vec![repository(&bytes, Delivery::Whole)]);
    let said = train(&desk, &server, "hub:timm/net").env("HF_TOKEN", TOKEN).say().ok();
    for words in ["hub:timm/net", "10 classes in the file, 7 here", "mean and std are those of"] {
        assert!(said.err.contains(words), "no `{words}` in {}", said.err);
    }
    assert!(!said.err.contains(TOKEN) && !said.out.contains(TOKEN));
    let asked = server.requests("").len();
    assert!(asked >= 2, "{asked} requests");
    let offline = train(&desk, &server, "hub:timm/net").env("HF_HUB_OFFLINE", "1").say().ok();
    assert_eq!(loss(&offline.out), loss(&said.out));
    assert_eq!(server.requests("").len(), asked, "offline means no request");
    let revision = train(&desk, &server, "hub:timm/net@v1.0").say().ok();
    assert_eq!(loss(&revision.out), loss(&said.out));
    // The same numbers as from the file itself, but for the mean and std that came with the repository.
    let settings = ["model.mean=[0.5, 0.5, 0.5]", "model.std=[0.25, 0.25, 0.25]"];
    let local = train(&desk, &server, "theirs.safetensors").args(&settings).say().ok();
    assert_eq!(loss(&local.out), loss(&said.out));

    // A run that began with weights of the hub resumes, and is evaluated, without it.
    let weights = ["tiny.yaml", "model.weights=hub:timm/net", "length=1 epochs", "--out", "run"];
    let program = desk.program(Program::Train).args(&weights);
    program.env("HF_ENDPOINT", server.url()).env("HF_HOME", desk.path("hf")).say().ok();
    let asked = server.requests("").len();
    desk.train(&[&weights[..], &["--resume"]].concat()).ok();
    desk.tallow(&["eval", "run"]).ok();
    assert_eq!(server.requests("").len(), asked);
    assert_eq!(desk.json("run/last/config.json")["pretrained_cfg"]["mean"][0], 0.5);
    assert_eq!(tensors(&desk.path("run/last/model.safetensors"))["fc.bias"].len(), 7);
}

#[test]
fn what_the_hub_refuses_says_what_to_do() {
    let desk = Desk::new();
    let bytes = bytes(&desk);
    let private = Repository {
        token: Some(TOKEN.into()),
        id: "me/private".into(),
        ..repository(&bytes, Delivery::Whole)
    };
    let gated = Repository { gated: true, id: "me/gated".into(), ..repository(&bytes, Delivery::Whole) };
    let bare = Repository::new("me/bare").with("config.json", b"{}");
    let server = Server::start(vec![repository(&bytes, Delivery::Whole), private, gated, bare]);
    let refused = |weights: &str, token: Option<&str>, words: &[&str]| {
        let program = train(&desk, &server, weights);
        let said = match token {
            Some(token) => program.env("HF_TOKEN", token).say(),
            None => program.say(),
        };
        said.complains(3, words);
        said.complains(3, &["model.weights: hub:"]);
        assert!(!said.err.contains(TOKEN) && !said.err.contains("hf_other"), "{}", said.err);
    };
    refused("hub:timm/nut", None, &["has no repository `timm/nut`", "check owner and name"]);
    refused("hub:timm/net@v9", None, &["has no revision `v9`"]);
    refused("hub:me/bare", None, &["`model.safetensors` of `me/bare`", "no such file"]);
    refused("hub:me/private", None, &["(401)", "set HF_TOKEN"]);
    refused("hub:me/private", Some("hf_other"), &["(401)", "may not read it"]);
    refused("hub:me/gated", Some(TOKEN), &["(403)", "accept the terms"]);
    train(&desk, &server, "hub:me/private").env("HF_TOKEN", TOKEN).say().ok();
    let offline = train(&desk, &server, "hub:timm/net@v1.0").env("HF_HUB_OFFLINE", "1").say();
    offline.complains(3, &["not in the cache", "HF_HUB_OFFLINE"]);
    assert_eq!(desk.names("."), ["hf", "theirs.safetensors", "tiny.yaml"]);
}

#[test]
fn a_damaged_download_is_fetched_again_or_refused() {
    let desk = Desk::new();
    let bytes = bytes(&desk);
    let cut = Server::start(vec![repository(&bytes, Delivery::Cut(1000, 1))]);
    train(&desk, &cut, "hub:timm/net").say().ok();
    let other = Desk::new();
    let wrong = Server::start(vec![repository(&bytes, Delivery::Wrong)]);
    train(&other, &wrong, "hub:timm/net")
        .say()
        .complains(3, &["`model.safetensors` of `timm/net`", "local file"]);
}
