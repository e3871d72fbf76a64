// Pages that are wrong on purpose, each in one way: what is looked for must be found, and on a page that is right nothing.

import { inspect } from "./inspect.mjs";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const RIGHT = `<h1>t</h1><h2>u</h2><figure><img src="${PIXEL}" alt="one pixel" style="width:50px"></figure>
  <svg role="img" aria-label="a plot" width="50" height="50" viewBox="0 0 50 50"><rect width="50" height="50" fill="black"/><text x="5" y="30" fill="white">x</text></svg>
  <a href="#a" id="a">there</a> <button>do</button> <label>of <input></label>`;

// What is added to the page that is right, and a word of what must be said.
const FAULTS = {
  "an element that is too wide": ['<div style="width:1300px">wide</div>', "width: the page is"],
  "one that is too wide on a phone alone": ['<div style="width:400px">wide</div>', "light 360 width"],
  "one that is too wide on paper alone": ["<style>@media print{h1{width:800px}}</style>", "paper light width"],
  "an empty figure": ["<figure></figure>", "a figure is empty"],
  "a picture that is broken": ['<img alt="x" src="data:image/png;base64,AAAA">', "a picture is broken"],
  "a picture without a name": [`<img src="${PIXEL}">`, "a picture without alt"],
  "a plot with nothing in it": ['<svg role="img" aria-label="e" width="50" height="50"></svg>', "a plot has nothing in it"],
  "a plot with NaN": ['<svg role="img" aria-label="e" width="50" height="50"><text>NaN</text><rect width="5" height="5"/></svg>', "a plot with NaN"],
  "text that is cut off in a plot": ['<svg role="img" aria-label="c" width="50" height="50"><rect width="50" height="50"/><text x="-9" y="30" fill="white">cut</text></svg>', "“cut” is cut off"],
  "a plot without a name": ['<svg width="50" height="50"><rect width="5" height="5"/></svg>', "a plot without a name"],
  "a field without a label": ["<input>", "a field without a label"],
  "an id twice": ['<p id="a">x</p>', "two elements with the id a"],
  "a heading left out": ["<h4>deep</h4>", "an h4 follows an h2"],
  "text too light": ['<p style="color:#999">pale</p>', "light 1200 contrast: 2.85"],
  "text too light in the dark": ["<style>@media (prefers-color-scheme:dark){h2{color:#888}}</style>", "dark 1200 contrast"],
  "text too light in a plot": ['<svg role="img" aria-label="p" width="50" height="50"><rect width="50" height="50" fill="#777"/><text x="5" y="30" fill="white">x</text></svg>', "contrast: 4.48"],
  "focus that is not seen": ['<a href="#b" style="outline:none">no ring</a>', "focus is not seen"],
  "a place without a tab": ['<a href="#c" tabindex="-1">no tab</a>', "not reached by Tab"],
  "an error of a script": ["<script>throw new Error('on purpose')</script>", "on purpose"],
  "a complaint in the console": ["<script>console.error('complains')</script>", "console: complains"],
  "a picture from elsewhere": ['<img alt="x" src="http://elsewhere.example/x.png">', "asks for http://elsewhere.example/x.png"],
  "what the policy refuses": ["<meta http-equiv='Content-Security-Policy' content=\"script-src 'none'\"><script>0</script>", "refused by policy"],
};

export const faults = async (browser) => {
  const folder = mkdtempSync(join(tmpdir(), "tallow-faults-"));
  const look = (text) => {
    const path = join(folder, "page.html");
    writeFileSync(path, `<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>t</title><meta name="viewport" content="width=device-width">${text}</html>`);
    return inspect(browser, pathToFileURL(path).href);
  };
  const problems = (await look(RIGHT)).map((problem) => `nothing is wrong, but: ${problem}`);
  for (const [name, [fault, said]] of Object.entries(FAULTS)) {
    const found = await look(fault.startsWith("<meta") ? fault + RIGHT : RIGHT + fault);
    if (!found.some((problem) => problem.includes(said))) problems.push(`${name} was not found; but: ${found.join("; ") || "nothing"}`);
  }
  return problems;
};
