// The board in use: a run that trains is followed, two are compared by keyboard alone, without a script all works, and when the board
// has gone the page says so.

import { listen } from "./inspect.mjs";
import { Board, training } from "./made.mjs";
import { join } from "node:path";

const until = async (what, ask, seconds = 60) => {
  const end = Date.now() + 1000 * seconds;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${seconds} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};

// Tab until the element of a selector has the focus.
const tabTo = async (page, selector) => {
  for (let at = 0; at < 80; at += 1) {
    if (await page.evaluate((selector) => document.activeElement?.matches(selector), selector)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${selector}`);
};

const followed = async (page, board, desk, shots) => {
  await page.goto(`${board.address}/`);
  await page.evaluate(() => (window.isSame = true));
  await page.locator("[id='pick:a']").check();
  await page.locator("[id='pick:b']").focus();
  const run = training(desk);
  try {
    const row = page.locator("tr", { has: page.locator("[id='pick:live']") });
    await until("the run to come", async () => (await row.count()) > 0 && (await row.textContent()).includes("training"));
    const before = await row.textContent();
    await until("its numbers to change", async () => (await row.textContent()) !== before);
    await until("its speed", async () => /\d img\/s/.test(await row.textContent()));
    const kept = await page.evaluate(() => [window.isSame, document.getElementById("pick:a").checked, document.activeElement.id]);
    if (String(kept) !== "true,true,pick:b") throw new Error(`page, mark and focus are not kept: ${kept}`);
    // Text that is selected stays so while the run goes on.
    await page.goto(`${board.address}/run/live`);
    await until("two epochs", async () => Number((await page.locator("#state dd").first().textContent()).split(" ")[0]) > 2);
    await page.screenshot({ path: join(shots, "board_live.png"), fullPage: true });
    await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("#state b")));
    await new Promise((resolve) => setTimeout(resolve, 5000));
    const selected = await page.evaluate(() => String(getSelection()));
    if (selected !== "training") throw new Error(`the selection is “${selected}” now`);
    await page.evaluate(() => getSelection().removeAllRanges());
  } finally {
    run.kill("SIGKILL");
  }
  await until("the run to be seen as ended", async () => (await page.locator("#state b").textContent()) === "interrupted");
};

const compared = async (page, board) => {
  await page.goto(`${board.address}/`);
  for (const name of ["a", "b"]) {
    await tabTo(page, `[id='pick:${name}']`);
    await page.keyboard.press("Space");
    await page.evaluate(() => document.activeElement.blur());
  }
  await tabTo(page, "#side button");
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/side\?run=/);
  await tabTo(page, "#metric");
  await page.keyboard.type("auroc");
  await tabTo(page, "#compare button");
  await page.keyboard.press("Enter");
  await page.waitForURL(/metric=auroc/);
  await page.locator("#compare table").first().waitFor();
  const figures = await page.locator("#compare figure svg").count();
  if (figures !== 1) throw new Error(`${figures} figures of the comparison`);
};

const filtered = async (page, board) => {
  await page.goto(`${board.address}/`);
  const shown = () => page.locator("#runs tr[data-words]:visible").count();
  const all = await shown();
  await page.locator("#filter").fill("x_sweep");
  await until("the filter", async () => (await shown()) === 1, 5);
  await page.locator("#filter").fill("");
  await until("all runs", async () => (await shown()) === all, 5);
  // What an address left out comes back when its box is emptied.
  await page.goto(`${board.address}/?filter=x_sweep`);
  if ((await shown()) !== 1) throw new Error("the filter of the address is not taken");
  await page.locator("#filter").fill("");
  await until("the others", async () => (await shown()) === all, 10);
};

const unchanged = async (page, board) => {
  const seen = [];
  page.on("response", (response) => seen.push(response.status()));
  await page.goto(`${board.address}/run/a`);
  await until("an answer that nothing changed", () => seen.includes(304), 15);
};

const gone = async (page, desk) => {
  const board = await Board.start(desk);
  await page.goto(`${board.address}/run/a`);
  board.end();
  await until("the page to say so", async () => (await page.locator("#status").textContent()).startsWith("The board is gone"), 20);
  if (!(await page.locator("#status").isVisible()) || !(await page.locator("h1").isVisible())) throw new Error("it is not seen");
};

const withoutScript = async (browser, board) => {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${board.address}/`);
  await page.getByRole("link", { name: "refresh" }).click();
  await page.locator("[id='pick:a']").check();
  await page.locator("[id='pick:b']").check();
  await page.getByRole("button", { name: "side by side" }).click();
  await page.getByRole("button", { name: "compare" }).click();
  await page.locator("#compare table").first().waitFor();
  await context.close();
};

export const used = async (browser, board, desk, shots) => {
  const found = [];
  const act = async (name, deed) => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
    const page = await context.newPage();
    const heard = name.includes("gone") ? [] : listen(page, board.address);
    try {
      await deed(page);
      found.push([name, heard]);
    } catch (error) {
      found.push([name, [...heard, error.message]]);
    }
    await context.close();
  };
  await act("a run that trains is followed", (page) => followed(page, board, desk, shots));
  await act("two runs are compared by keyboard", (page) => compared(page, board));
  await act("runs are filtered", (page) => filtered(page, board));
  await act("what did not change is not sent", (page) => unchanged(page, board));
  await act("a board that is gone", (page) => gone(page, desk));
  await act("without a script", () => withoutScript(browser, board));
  return found;
};
