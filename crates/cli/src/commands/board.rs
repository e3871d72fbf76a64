//! `board DIR`: all runs below a folder, in the browser, live.

mod answer;
mod compared;
mod guard;
mod pages;
mod reader;
mod side;
mod times;

use crate::arguments::Board;
use crate::signals;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use reader::Reader;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use tallow_policy::Registry;
use tallow_train::Error;
use tallow_train::watch::Watch;

/// What every answer may use.
struct Served {
    port: u16,
    reader: Reader,
    compared: compared::Compared,
}

pub fn board(arguments: &Board, registry: &Registry) -> anyhow::Result<()> {
    let watch = Watch::open(&arguments.folder)?;
    let listener = listen(arguments.port)?;
    let port = listener.local_addr()?.port();
    // Nothing is written that could be left half done.
    signals::end_at_once()?;
    let shared =
        Arc::new(Served { port, reader: Reader::start(watch), compared: compared::Compared::new(registry) });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let app = Router::new().fallback(handle).with_state(shared);
        writeln!(
            std::io::stdout(),
            "http://127.0.0.1:{port}/ shows the runs in {}; Ctrl-C ends it",
            arguments.folder.display()
        )?;
        Ok(axum::serve(listener, app).await?)
    })
}

/// On this machine alone.
fn listen(port: u16) -> Result<TcpListener, Error> {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(|error| {
        let remedy = "name another, or any that is free with --port 0";
        match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                Error::recipe(format!("--port {port}: is taken, perhaps by another board; {remedy}"))
            }
            _ => Error::recipe(format!("--port {port}: cannot be listened on ({error}); {remedy}")),
        }
    })
}

/// Reading, drawing and comparing take time: another thread does them.
async fn handle(State(board): State<Arc<Served>>, request: Request) -> Response {
    if let Some(refusal) = guard::refused(&request, board.port) {
        return refusal;
    }
    let asked = answer::Asked::of(&request);
    let answered = tokio::task::spawn_blocking(move || answer::answer(&board, &asked)).await;
    answered.unwrap_or_else(|_| {
        guard::plain(500, "the board could not make this page; this is a mistake in tallow")
    })
}
