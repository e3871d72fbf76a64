//! `tallow board`: asked as a browser asks, and as nobody should.

use crate::program::{Desk, Program};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A board that answers; it ends with the test.
struct Board {
    child: Child,
    port: u16,
}

impl Board {
    fn of(desk: &Desk, folder: &str) -> Board {
        // As on a machine of one core.
        let program = desk.program(Program::Tallow).env("RAYON_NUM_THREADS", "1");
        let mut child = program.args(&["board", folder, "--port", "0"]).start();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split('/').next());
        let port =
            port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"));
        Board { child, port }
    }

    /// Sends these lines of a request, and `Host` where they have none.
    fn ask(&self, lines: &str) -> Answer {
        let host = format!("Host: 127.0.0.1:{}\r\n", self.port);
        let host = if lines.to_lowercase().contains("host:") { "" } else { &host };
        let (first, rest) = lines.split_once('\n').unwrap_or((lines, ""));
        let rest: String = rest.lines().map(|line| format!("{line}\r\n")).collect();
        self.send(&format!("{first} HTTP/1.1\r\n{host}{rest}Connection: close\r\n\r\n"))
    }

    fn send(&self, request: &str) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"))
    }

    /// The page once it says so.
    fn page(&self, path: &str, says: &str) -> String {
        let began = Instant::now();
        loop {
            let answer = self.get(path);
            if answer.status == 200 && answer.body.contains(says) {
                return answer.body;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "no {says:?} in {path}: {}", answer.body);
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    /// In small letters.
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

const HOSTILE: &str = "<img src=x onerror=alert(1)>";

/// Two runs and one of fewer classes, one of another's name, one of its log alone; and what lies outside.
fn desk() -> &'static Desk {
    static DESK: OnceLock<Desk> = OnceLock::new();
    DESK.get_or_init(|| {
        let desk = Desk::shared("board");
        desk.write("tiny.yaml", crate::program::TINY);
        let runs: [&[&str]; 3] = [
            &["tiny.yaml", "--out", "runs/a"],
            &["tiny.yaml", "--out", "runs/b", "seed=2", "policy=none"],
            &["tiny.yaml", "--out", "runs/fewer", "data.only=[MEL, NV]"],
        ];
        runs.iter().for_each(|run| drop(desk.train(run).ok()));
        for name in ["metrics.jsonl", "recipe.yaml"] {
            desk.write(&format!("runs/{HOSTILE}/{name}"), desk.read(&format!("runs/a/{name}")));
        }
        desk.write("secret.html", "secret");
        desk.write("outside/run/metrics.jsonl", desk.read("runs/a/metrics.jsonl"));
        desk.write("runs/compared.html", "<p>compared</p>");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(desk.path("outside"), desk.path("runs/link")).unwrap();
            std::os::unix::fs::symlink(desk.path("secret.html"), desk.path("runs/link.html")).unwrap();
            std::os::unix::fs::symlink(
                desk.path("secret.html"),
                desk.path(&format!("runs/{HOSTILE}/report.html")),
            )
            .unwrap();
        }
        desk
    })
}

#[test]
fn only_this_machine_is_answered() {
    let board = Board::of(desk(), "runs");
    let port = board.port;
    for host in [format!("127.0.0.1:{port}"), format!("LOCALHOST:{port}")] {
        assert_eq!(board.ask(&format!("GET /\nHost: {host}")).status, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1", "127.0.0.1:1", &format!("evil.example:{port}"), ""] {
        let answer = board.ask(&format!("GET /\nHost: {host}"));
        assert_eq!(answer.status, 421, "{host}");
        assert!(
            answer.body.starts_with(&format!("this board answers to http://127.0.0.1:{port}/")),
            "{}",
            answer.body
        );
    }
    let twice = board.ask(&format!("GET /\nHost: 127.0.0.1:{port}\nHost: evil.example"));
    assert!([400, 421].contains(&twice.status), "{}", twice.status);
    assert_eq!(board.ask(&format!("GET http://evil.example/\nHost: 127.0.0.1:{port}")).status, 421);
    assert!([400, 421].contains(&board.send("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").status));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let answer = board.ask(&format!("{method} /"));
        assert_eq!((answer.status, answer.header("allow")), (405, Some("get, head")), "{method}");
    }
    let head = board.ask("HEAD /run/a");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    // Nothing but the loopback listens.
    let others = Command::new("hostname")
        .arg("-I")
        .output()
        .map_or(String::new(), |out| String::from_utf8(out.stdout).unwrap());
    for address in others.split_whitespace().filter_map(|text| text.parse::<std::net::IpAddr>().ok()) {
        let there = TcpStream::connect_timeout(&(address, port).into(), Duration::from_secs(2));
        assert!(there.is_err(), "{address} answers");
    }
}

#[test]
fn pages_let_nothing_in() {
    let board = Board::of(desk(), "runs");
    for path in ["/", "/run/a", "/side?run=a&run=b", "/nowhere", "/board.js", "/board.css"] {
        let answer = board.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
        for part in ["base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
        for way in ["href=\"http", "src=\"http", "href=\"//", "src=\"//", "url(", "@import"] {
            assert!(!answer.body.contains(way), "{path} leads out: {}", answer.body);
        }
    }
    let report = board.get("/report/a");
    assert_eq!(report.body, desk().read("runs/a/report.html"));
    let policy = report.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'unsafe-inline';")
            && !policy.contains("script-src"),
        "{policy}"
    );
    assert!(policy.ends_with("sandbox"), "{policy}");
    assert_eq!(board.get("/page/compared.html").body, "<p>compared</p>");
}

#[test]
fn nothing_outside_is_shown() {
    let board = Board::of(desk(), "runs");
    let index = board.page("/", "pick:a");
    assert!(!index.contains("pick:link") && !index.contains("link.html"), "{index}");
    for path in [
        "/run/..",
        "/run/../secret.html",
        "/page/../secret.html",
        "/page/%2e%2e/secret.html",
        "/page/..%2fsecret.html",
        "/page/%2e%2e%2fsecret.html",
        "/page/a%00.html",
        "/page//etc/passwd",
        "/page/%2Fetc%2Fpasswd",
        "/page/link.html",
        "/page/..%5csecret.html",
        "/run/link/run",
        "/report/link/run",
        "/run/nowhere",
        "/run/",
        "/run/a/",
        "/report/a/report.html",
        "/runs/a",
        "/page/a/report.html",
        "/run/%3Cimg%20src=x%20onerror=alert(1)%3E/best",
        "/report/%3Cimg%20src=x%20onerror=alert(1)%3E",
    ] {
        let answer = board.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.body.contains("secret") && !answer.body.contains("root:"), "{path}: {}", answer.body);
    }
}

#[test]
fn a_name_is_text() {
    let board = Board::of(desk(), "runs");
    let index = board.page("/", "&lt;img src=x");
    assert!(!index.contains("<img"), "{index}");
    let page = board.page("/run/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E", "Loss of every step");
    assert!(!page.contains("<img") && page.contains("<h1>&lt;img src=x onerror=alert(1)&gt;</h1>"), "{page}");
}

#[test]
fn a_run_is_shown_as_its_files_say() {
    let board = Board::of(desk(), "runs");
    let index = board.page("/", "pick:b");
    for text in ["2 of 2", "finished", "epoch 1</small>", "seed 2", "aria-label=\"macro F1: from"] {
        assert!(index.contains(text), "no {text} in {index}");
    }
    // Of a filter only what matches; words of the policy count.
    let some = board.get("/?filter=none+seed").body;
    assert!(
        some.contains("pick:b") && !some.contains("pick:a") && some.contains("1 of 4 runs are shown"),
        "{some}"
    );
    let page = board.page("/run/a", "Loss of every step");
    let metrics = desk().json("runs/a/best/metrics.json");
    for name in ["macro_f1", "kappa", "log_loss"] {
        let value = format!("{:.3}", metrics[name].as_f64().unwrap());
        assert!(page.contains(&format!("data-name=\"best\">{value}</td>")), "no {name} of {value} in {page}");
    }
    for text in [
        "href=\"/report/a\"",
        "Validation metrics",
        "epoch 2/2  ",
        "tallow eval runs/a",
        "with all defaults",
        "accumulate: 1",
    ] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    // Folded away: it is the default.
    let (short, _) = page.split_once("with all defaults").unwrap();
    assert!(!short.contains("accumulate: 1"), "{short}");
}

#[test]
fn runs_are_compared_as_the_command_compares() {
    let board = Board::of(desk(), "runs");
    let asked = board.page("/side?run=a&run=b", "Is one better?");
    assert!(asked.contains("tallow compare runs/a runs/b --metric macro_f1"), "{asked}");
    assert!(asked.contains("<th>seed</th>") && asked.contains("data-name=\"b\">2</td>"), "{asked}");
    for metric in ["macro_f1", "auroc", "log_loss"] {
        let page = board.get(&format!("/side?run=a&run=b&metric={metric}")).body;
        let said = desk().tallow(&["compare", "runs/a", "runs/b", "--metric", metric, "--json"]).ok();
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap();
        let sign = |name: &str| format!("{:+.4}", json[name].as_f64().unwrap()).replace('-', "−");
        let plain = |name: &str| format!("{:.4}", json[name].as_f64().unwrap());
        let interval = format!("{} to {}", sign("low"), sign("high"));
        for text in [plain("a"), plain("b"), sign("difference"), interval] {
            assert!(page.contains(&format!(">{text}</td>")), "{metric}: no {text} in {page}");
        }
        assert!(page.contains(&format!("<option value=\"{metric}\" selected>")), "{page}");
    }
}

#[test]
fn what_cannot_be_compared_is_said() {
    let board = Board::of(desk(), "runs");
    let page = board.get("/side?run=a&run=fewer&metric=macro_f1").body;
    let refusal = desk().tallow(&["compare", "runs/a", "runs/fewer"]).fails(3).join(" ");
    let escaped =
        refusal.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    assert!(page.contains(&escaped), "no {escaped} in {page}");
    let page =
        board.get("/side?run=a&run=%3Cimg%20src=x%20onerror=alert(1)%3E&run=gone&metric=macro_f1").body;
    assert!(
        page.contains(
            "holds no predictions.csv, and the board evaluates no network; write them: tallow eval"
        ),
        "{page}"
    );
    assert!(page.contains("gone: is not here, or not any more") && !page.contains("<img"), "{page}");
    // A metric that is none is not asked for.
    assert!(!board.get("/side?run=a&run=b&metric=../x").body.contains("../x"));
    let none = board.get("/side").body;
    assert!(none.contains("Mark runs in the list"), "{none}");
}

#[test]
fn a_run_grows_and_goes() {
    let desk = Desk::empty();
    let line = |step: u32| format!("{{\"epoch\":1,\"step\":{step},\"loss\":{step}.5,\"lr\":0.1}}\n");
    desk.write("runs/a/metrics.jsonl", line(1));
    let board = Board::of(&desk, "runs");
    board.page("/run/a", ">1.500</dd>");
    let first = board.get("/run/a");
    let tag = first.header("etag").unwrap().to_owned();
    let again = board.ask(&format!("GET /run/a\nIf-None-Match: {tag}"));
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    // Half a line is no step yet.
    let append = |text: &str| {
        fs::OpenOptions::new()
            .append(true)
            .open(desk.path("runs/a/metrics.jsonl"))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap()
    };
    append(&line(2)[..20]);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(board.ask(&format!("GET /run/a\nIf-None-Match: {tag}")).status, 304);
    append(&line(2)[20..]);
    board.page("/run/a", ">2.500</dd>");
    assert_eq!(board.ask(&format!("GET /run/a\nIf-None-Match: {tag}")).status, 200);
    fs::write(desk.path("runs/a/metrics.jsonl"), line(7)).unwrap();
    board.page("/run/a", ">7.500</dd>");
    fs::remove_dir_all(desk.path("runs/a")).unwrap();
    board.page("/", "There is no run here yet");
    assert_eq!(board.get("/run/a").status, 404);
    board.page("/side?run=a", "a: is not here, or not any more");
    fs::remove_dir_all(desk.path("runs")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(board.get("/").status, 200);
}

#[test]
fn a_training_is_seen_as_one() {
    let desk = Desk::new();
    desk.write("runs/.keep", "");
    let board = Board::of(&desk, "runs");
    let run = ["tiny.yaml", "--out", "runs/x/seed=1", "length=4000 epochs"];
    let mut training = desk.program(Program::Train).args(&run).start();
    let page = board.page("/run/x/seed=1", "<b>training</b>, last step less than a minute ago");
    assert!(page.contains("x/seed=1"), "{page}");
    // Speed and time left come with a few looks.
    let page = board.page("/run/x/seed=1", " img/s</dd>");
    assert!(page.contains("time left") && page.contains(" of 4000"), "{page}");
    Command::new("kill").args(["-INT", &training.id().to_string()]).status().unwrap();
    training.wait().unwrap();
    let page = board.page("/run/x/seed=1", "<b>interrupted</b>");
    assert!(
        page.contains("stopped by signal 2") && page.contains("tallow train 'runs/x/seed=1' --resume"),
        "{page}"
    );
}

#[test]
fn it_begins_and_ends_as_others_do() {
    let desk = Desk::empty();
    desk.write("runs/.keep", "");
    let mut board = Board::of(&desk, "runs");
    let port = board.port.to_string();
    let taken = desk.tallow(&["board", "runs", "--port", &port]).fails(2);
    assert_eq!(
        taken[0],
        format!(
            "--port {port}: is taken, perhaps by another board; name another, or any that is free with --port 0"
        )
    );
    let absent = desk.tallow(&["board"]).fails(2);
    assert_eq!(absent[0], "checkpoints: is not there; name the folder that holds your runs");
    Command::new("kill").args(["-INT", &board.child.id().to_string()]).status().unwrap();
    let status = board.child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
}
