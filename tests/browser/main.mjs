// Opens every page that people look at in headless Chromium and holds it against the checks of checks.mjs, each in two colour schemes, at
// three widths and on paper; then uses the board by keyboard while a run trains. The checks are first held against pages that are
// wrong on purpose (faults.mjs): one that finds nothing there ends this with an error.
//
//   node tests/browser/main.mjs [WORD …]     only pages whose names have one of the words

import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { inspect } from "./inspect.mjs";
import { faults } from "./faults.mjs";
import { made, ROOT, Board } from "./made.mjs";
import { used } from "./used.mjs";

const require = createRequire(join(ROOT, "target/browser/"));
const { chromium } = require("playwright-core");

const words = process.argv.slice(2);
const shots = join(ROOT, "target/browser/shots");
mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
let wrong = 0;
const say = (name, problems) => {
  console.log(`${problems.length === 0 ? "ok   " : "WRONG"} ${name}`);
  for (const problem of problems) console.log(`        ${problem}`);
  wrong += problems.length;
};

try {
  say("the checks find what is wrong on purpose", await faults(browser));
  const desk = made();
  const board = await Board.start(desk);
  try {
    const files = ["runs/a/report.html", "runs/b/report.html", "runs/compared.html", "runs/stats.html"];
    const pages = files.map((file) => [file, pathToFileURL(join(desk, file)).href]);
    const served = ["/", "/run/a", "/run/x_sweep/policy=mixup/seed=1", "/side?run=a&run=b&metric=macro_f1", "/report/a", "/nowhere"];
    pages.push(...served.map((path) => [`board ${path}`, board.address + path]));
    for (const [name, address] of pages) {
      if (words.length === 0 || words.some((word) => name.includes(word))) {
        say(name, await inspect(browser, address, join(shots, name.replaceAll(/[^a-z0-9]+/g, "_"))));
      }
    }
    if (words.length === 0 || words.includes("used")) {
      for (const [name, problems] of await used(browser, board, desk, shots)) say(name, problems);
    }
  } finally {
    board.end();
  }
} finally {
  await browser.close();
}
console.log(`pictures: ${shots}`);
if (wrong > 0) {
  console.log(`${wrong} wrong`);
  process.exit(1);
}
