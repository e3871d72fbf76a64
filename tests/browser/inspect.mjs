// Opens a page as people do: light and dark, on a phone, on half a screen, on a screen, on paper.

import { NAMES, check, keyboard } from "./checks.mjs";

export const WIDTHS = [360, 500, 1200];
// A4 less the margins of the style, 210 − 28 mm, at 96 per inch.
export const PAPER = 688;

// What a page says of itself while it is open: errors, and whatever it asks for beyond itself.
export const listen = (page, address) => {
  const heard = [];
  page.on("console", (message) => {
    // The browser's own note on an answer of 404, which is what was asked for.
    if (message.type() === "error" && !(message.location().url === address && message.text().includes("404"))) heard.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => heard.push(`error: ${error.message}`));
  const home = new URL(address);
  page.on("request", (request) => {
    const url = new URL(request.url());
    const isOwn = home.protocol === "file:" ? request.url().split("#")[0] === address : url.origin === home.origin;
    if (url.protocol !== "data:" && !isOwn) heard.push(`asks for ${request.url()}`);
  });
  return heard;
};

// The page in every look; pictures are named from `picture` on.
export const inspect = async (browser, address, picture) => {
  const problems = new Set();
  const add = (where, found) => found.forEach((problem) => problems.add(`${where}: ${problem}`));
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ colorScheme, reducedMotion: "reduce", viewport: { width: 1200, height: 900 } });
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => console.error(`refused by policy: ${event.violatedDirective} ${event.blockedURI}`));
    });
    if (address.startsWith("file:")) await context.setOffline(true);
    const page = await context.newPage();
    const heard = listen(page, address);
    await page.goto(address, { waitUntil: "load" });
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 900 });
      for (const name of NAMES) add(`${colorScheme} ${width} ${name}`, await check(page, name));
      if (picture) await page.screenshot({ path: `${picture}_${width}_${colorScheme}.png`, fullPage: true });
      if (colorScheme === "light") add(`${width} keyboard`, await keyboard(page));
    }
    await page.emulateMedia({ media: "print", colorScheme });
    await page.setViewportSize({ width: PAPER, height: 980 });
    for (const name of ["width", "figures", "contrast"]) add(`paper ${colorScheme} ${name}`, await check(page, name));
    if (picture && colorScheme === "light") await page.pdf({ path: `${picture}.pdf`, format: "A4", preferCSSPageSize: true });
    add(colorScheme, heard);
    await context.close();
  }
  return [...problems];
};
