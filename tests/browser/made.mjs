// Makes what is looked at: runs, a comparison, figures of policies; starts a board on them.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const program = (name) => join(ROOT, "target/debug", name);
const QUICKSTART = join(ROOT, "recipes/quickstart.yaml");
// The recipe as it is, but for a short while and on fewer images.
const SHORT = ["data.images=700"];

const run = (desk, name, words) => {
  console.log(`      ${name} ${words.join(" ")}`);
  execFileSync(program(name), words, { cwd: desk, stdio: ["ignore", "ignore", "inherit"] });
};

// The folder of all; that of an earlier run where TALLOW_DESK names it.
export const made = () => {
  const desk = process.env.TALLOW_DESK ?? mkdtempSync(join(tmpdir(), "tallow-browser-"));
  if (existsSync(join(desk, "runs/stats.html"))) return desk;
  const train = (out, ...more) => run(desk, "train", [QUICKSTART, ...SHORT, "length=2 epochs", ...more, "--out", out]);
  train("runs/a");
  train("runs/b", "policy=cutmix_zeta_mixup", "seed=2");
  train("runs/x_sweep/policy=mixup/seed=1", "policy=mixup");
  run(desk, "tallow", ["compare", "runs/a", "runs/b", "runs/x_sweep/policy=mixup/seed=1", "--html", "runs/compared.html"]);
  run(desk, "tallow", ["stats", QUICKSTART, ...SHORT, "--batches", "2", "-o", "runs/stats.html"]);
  console.log(`      in ${desk}`);
  return desk;
};

// A training that goes on until it is ended.
export const training = (desk) => {
  const words = [QUICKSTART, "data.images=350", "length=500 epochs", "--overwrite", "--out", "runs/live"];
  return spawn(program("train"), words, { cwd: desk, stdio: "ignore" });
};

export class Board {
  static async start(desk) {
    const board = new Board();
    board.child = spawn(program("tallow"), ["board", "runs", "--port", "0"], { cwd: desk, stdio: ["ignore", "pipe", "inherit"] });
    board.address = await new Promise((resolve, reject) => {
      board.child.stdout.on("data", (bytes) => {
        const found = /http:\/\/127\.0\.0\.1:\d+/.exec(String(bytes));
        if (found) resolve(found[0]);
      });
      board.child.on("exit", (code) => reject(new Error(`the board ended with ${code}`)));
    });
    return board;
  }

  end() {
    this.child.removeAllListeners("exit");
    this.child.kill("SIGINT");
  }
}
