//! A checkpoint to a small hub on loopback and back: the same bytes, the same predictions; and a card that holds.

use crate::export::values;
use crate::program::{Desk, Program, Running};
use crate::server::{Fault, Repository, Server};
use std::fs;

const TOKEN: &str = "hf_neverShowThis";

fn tallow(desk: &Desk, server: &Server, arguments: &[&str]) -> Running {
    let program = desk.program(Program::Tallow).args(arguments);
    program.env("HF_ENDPOINT", server.url()).env("HF_HOME", desk.path("hf")).env("HF_TOKEN", TOKEN)
}

fn trained() -> Desk {
    let desk = Desk::new();
    desk.train(&["tiny.yaml", "policy=cutmix_zeta_mixup", "--out", "run"]).ok();
    values(&desk, 16);
    desk
}

const FILES: [&str; 6] =
    ["README.md", "config.json", "metrics.json", "model.safetensors", "recipe.yaml", "report.html"];

#[test]
fn what_is_published_is_pulled_back_the_same() {
    let desk = trained();
    let server = Server::start(Vec::new());
    let publish = || tallow(&desk, &server, &["publish", "run", "--repo", "me/net"]).say();
    // The weights arrive, the commit does not.
    (0..5).for_each(|_| server.fail(Fault::status("/commit/", 503)));
    publish().complains(3, &["`me/net`", "answered 503", "publish again"]);
    let said = publish().ok();
    assert!(said.err.contains("model.safetensors is there already: not sent again"), "{}", said.err);
    assert!(said.out.ends_with(&format!("{}/me/net\n", server.url())), "{}", said.out);
    assert_eq!(desk.names("run/publish"), FILES);
    let there = server.repository("me/net").unwrap();
    for name in FILES {
        assert_eq!(there.files[name].bytes, fs::read(desk.path("run/publish").join(name)).unwrap(), "{name}");
    }

    let pulled = tallow(&desk, &server, &["pull", "me/net"]).say().ok();
    let folder = pulled.out.trim_end();
    assert!(folder.starts_with(desk.path("hf/hub").to_str().unwrap()), "{folder}");
    assert_eq!(desk.names(folder), FILES);
    for name in FILES {
        assert_eq!(there.files[name].bytes, fs::read(desk.path(folder).join(name)).unwrap(), "{name}");
    }
    let asked = server.requests("").len();
    let offline = tallow(&desk, &server, &["pull", "me/net"]).env("HF_HUB_OFFLINE", "1").say().ok();
    assert_eq!((offline.out.trim_end(), server.requests("").len()), (folder, asked));
    let predict = |place: &str| desk.tallow(&["predict", place, "values.npy", "--logits"]).ok().out;
    assert_eq!(predict(folder), predict("run"));
    assert_eq!(
        desk.tallow(&["eval", folder, "--json"]).ok().json(),
        desk.tallow(&["eval", "run", "--json"]).ok().json()
    );
    // A checkpoint without a run has no folder for what is put together; the working directory is none.
    let again = ["publish", folder, "--repo", "me/again", "--dry-run"];
    tallow(&desk, &server, &again).say().complains(2, &["is in no run's folder", "--out DIR"]);
    assert!(!desk.path("publish").exists());
    let one = tallow(&desk, &server, &["pull", "me/net@main", "recipe.yaml"]).say().ok();
    assert_eq!(one.out.trim_end(), folder);

    // A second time nothing large is sent.
    let puts = server.requests("PUT").len();
    publish().ok();
    assert_eq!(server.requests("PUT").len(), puts);
    for (name, bytes) in desk.bytes(".") {
        assert!(!bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()), "the token is in {name}");
    }
    assert!(!format!("{}{}", said.out, said.err).contains(TOKEN));
}

#[test]
fn a_card_of_someone_else_stays() {
    let desk = trained();
    let server = Server::start(vec![Repository::new("me/net").with("README.md", b"# Mine\n")]);
    let said = tallow(&desk, &server, &["publish", "run", "--repo", "me/net"]).say().ok();
    assert!(said.err.contains("README.md of the repository was written by somebody else"), "{}", said.err);
    assert_eq!(server.repository("me/net").unwrap().files["README.md"].text(), "# Mine\n");
    let said = tallow(&desk, &server, &["publish", "run", "--repo", "me/net", "--create-pr"]).say().ok();
    assert!(said.out.ends_with("/me/net/discussions/1\n"), "{}", said.out);
}

#[test]
fn the_card_says_what_was_measured() {
    let desk = trained();
    let server = Server::start(Vec::new());
    let arguments = ["publish", "run", "--repo", "me/net", "--dry-run", "--license", "mit", "--out", "hub"];
    let said = tallow(&desk, &server, &arguments).say().ok();
    assert!(server.requests("").is_empty() && said.out.contains("dry run: nothing was sent"), "{}", said.out);
    for name in FILES {
        let size = fs::metadata(desk.path("hub").join(name)).unwrap().len();
        assert!(said.out.contains(&format!("{size:>12}  hub/{name}")), "{}", said.out);
    }
    let card = desk.read("hub/README.md");
    let (head, text) = card.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let head: serde_yaml::Value = serde_yaml::from_str(head).unwrap();
    assert!(!serde_json::to_string(&head).unwrap().contains("null"), "{head:?}");
    assert_eq!(
        (head["license"].as_str(), head["pipeline_tag"].as_str()),
        (Some("mit"), Some("image-classification"))
    );
    let measured = desk.json("run/best/metrics.json");
    let metrics = head["model-index"][0]["results"][0]["metrics"].as_sequence().unwrap();
    let macro_f1 = metrics.iter().find(|metric| metric["name"].as_str() == Some("macro_f1")).unwrap();
    assert_eq!(macro_f1["value"].as_f64(), measured["macro_f1"].as_f64());
    assert_eq!(macro_f1["args"]["average"].as_str(), Some("macro"));
    let images = measured["images"].as_u64().unwrap();
    let share = format!("| macro_f1 | {:.4} |", measured["macro_f1"].as_f64().unwrap());
    for words in [
        "**Not for diagnosis.**",
        "policy cutmix_zeta_mixup. It tells 7 classes apart: MEL,",
        &format!("On the validation part, {images} images"),
        &share,
        "95 % percentile bootstrap over",
        "Expected calibration error",
        "drawn by a program",
        "counted when this was written; the same ids",
        "- cutmix:",
        "- `zeta_mixup`: ",
        "tallow predict \"$(tallow pull me/net)\"",
        "timm has no such network",
        "these same images, so that the numbers flatter the model",
    ] {
        assert!(text.contains(words), "no `{words}` in:\n{text}");
    }
    let config = desk.json("hub/config.json");
    assert_eq!(
        (&config["training"]["recipe"], &config["training"]["policy"]),
        (&"tiny".into(), &"cutmix_zeta_mixup".into())
    );
    // Of a checkpoint that the predictions are not of, there are no intervals.
    let last =
        tallow(&desk, &server, &["publish", "run/last", "--repo", "me/net", "--dry-run", "--out", "hub"])
            .say()
            .ok();
    let same = desk.read("run/last/metrics.json") == desk.read("run/best/metrics.json");
    assert_eq!(last.err.contains("no predictions of this checkpoint"), !same, "{}", last.err);
}

#[test]
fn refusals_come_before_and_during() {
    let desk = trained();
    let server = Server::start(Vec::new());
    tallow(&desk, &server, &["publish", "run", "--repo", "net"])
        .say()
        .complains(2, &["--repo net", "me/lesions"]);
    let said = tallow(&desk, &server, &["publish", "run", "--repo", "you/net"]).say();
    said.complains(3, &["`you/net`", "(403)", "--create-pr"]);
    let said = tallow(&desk, &server, &["publish", "run", "--repo", "me/other@trial"]).say();
    said.complains(3, &["`me/other`", "no revision `trial`", "publish to `main`"]);
    let program = desk.program(Program::Tallow).args(&["publish", "run", "--repo", "me/net"]);
    let said = program.env("HF_ENDPOINT", server.url()).env("HF_HOME", desk.path("hf")).say();
    said.complains(3, &["set HF_TOKEN"]);
    desk.write("notes/mine.txt", "mine");
    let said = tallow(&desk, &server, &["publish", "run", "--repo", "me/net", "--out", "notes"]).say();
    said.complains(2, &["notes: holds mine.txt", "--out DIR"]);
    tallow(&desk, &server, &["pull", "net"]).say().complains(2, &["`net`: no owner"]);
    tallow(&desk, &server, &["pull", "me/net"]).say().complains(3, &["no repository `me/net`"]);
}

#[test]
fn a_folder_with_something_else_is_left_alone() {
    let desk = trained();
    let publish = |out: &str| desk.tallow(&["publish", "run", "--repo", "me/net", "--dry-run", "--out", out]);
    desk.write("mine/README.md", "my notes");
    publish("mine")
        .complains(2, &["mine: holds files, and no README.md as publishing writes it", "--out DIR"]);
    desk.write("more/README.md", "my notes");
    desk.write("more/zz.txt", "kept");
    publish("more").complains(2, &["more: holds zz.txt, which publishing does not write"]);
    assert_eq!(
        (desk.read("mine/README.md"), desk.read("more/README.md")),
        ("my notes".into(), "my notes".into())
    );
    let before = desk.names("run/best");
    publish("run/best").complains(2, &["run/best: is the checkpoint itself"]);
    assert_eq!(desk.names("run/best"), before);
    // One of its own is made anew.
    publish("out").ok();
    publish("out").ok();
    assert_eq!(desk.names("out"), FILES);
    let plain = ["publish", "run", "--repo", "me/net", "--dry-run", "--out", "out", "--no-report"];
    let said = desk.tallow(&plain).ok();
    assert_eq!(desk.names("out"), FILES[..5]);
    assert!(
        !said.err.contains("report.html") && !desk.read("out/README.md").contains("report.html"),
        "{}",
        said.err
    );
    let odd = desk.tallow(&["publish", "run", "--repo", "../x", "--dry-run"]);
    odd.complains(2, &["--repo: "]);
}
