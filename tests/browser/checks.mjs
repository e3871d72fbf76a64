// What a page must be, as functions that run in it. Each answers with sentences of what is wrong.

const checks = {
  // Nothing reaches beyond the page, but for what scrolls by itself.
  width: () => {
    const wide = document.documentElement.clientWidth;
    const scrolls = (element) => {
      for (let at = element.parentElement; at; at = at.parentElement) {
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX) && at !== document.body) return true;
      }
      return false;
    };
    const problems = [];
    if (document.documentElement.scrollWidth > wide) {
      problems.push(`the page is ${document.documentElement.scrollWidth} wide of ${wide}`);
    }
    for (const element of document.body.querySelectorAll("*:not(svg *)")) {
      const box = element.getBoundingClientRect();
      if (box.width > 0 && box.height > 0 && (box.right > wide + 1 || box.left < -1) && !scrolls(element)) {
        problems.push(`<${element.tagName.toLowerCase()} class="${element.className}"> from ${box.left} to ${box.right} of ${wide}`);
      }
    }
    return problems.slice(0, 5);
  },

  // Every figure has something in it, pictures were decoded, plots were drawn.
  figures: () => {
    const problems = [];
    for (const figure of document.querySelectorAll("figure")) {
      if (!figure.querySelector("img, svg")) problems.push("a figure is empty");
    }
    for (const image of document.images) {
      if (!image.complete || image.naturalWidth === 0) problems.push(`a picture is broken: ${image.alt}`);
    }
    for (const plot of document.querySelectorAll("svg")) {
      const box = plot.getBoundingClientRect();
      if (plot.closest("[hidden]")) continue;
      if (box.width < 10 || box.height < 5) problems.push(`a plot of ${box.width} by ${box.height}: ${plot.ariaLabel}`);
      if (!plot.querySelector("path[d], rect, circle, line")) problems.push(`a plot has nothing in it: ${plot.ariaLabel}`);
      for (const text of plot.querySelectorAll("text")) {
        const at = text.getBoundingClientRect();
        const cut = at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1;
        if (cut) problems.push(`“${text.textContent}” is cut off in ${plot.ariaLabel}`);
      }
      if (/NaN|Infinity/.test(plot.innerHTML.replaceAll(/<title>.*?<\/title>/gs, ""))) problems.push(`a plot with NaN: ${plot.ariaLabel}`);
    }
    return problems;
  },

  // Pictures and plots are named, forms are labelled.
  names: () => {
    const problems = [];
    for (const image of document.images) if (!image.alt.trim()) problems.push("a picture without alt");
    for (const plot of document.querySelectorAll("svg")) {
      if (!plot.ariaLabel?.trim() || plot.getAttribute("role") !== "img") problems.push("a plot without a name");
    }
    for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
      if (!field.ariaLabel?.trim() && field.labels.length === 0) problems.push(`a field without a label: ${field.outerHTML}`);
    }
    for (const one of document.querySelectorAll("a[href], button, summary")) {
      if (!(one.ariaLabel ?? one.textContent).trim()) problems.push(`nothing to read in ${one.outerHTML}`);
    }
    if (!document.title.trim() || !document.documentElement.lang) problems.push("no title or no language");
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
    for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) problems.push(`two elements with the id ${id}`);
    return problems;
  },

  // One h1, first; none is left out on the way down.
  headings: () => {
    const levels = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map((heading) => Number(heading.tagName[1]));
    const problems = [];
    if (levels[0] !== 1 || levels.filter((level) => level === 1).length !== 1) problems.push(`headings of levels ${levels}`);
    levels.forEach((level, at) => {
      if (at > 0 && level > levels[at - 1] + 1) problems.push(`an h${level} follows an h${levels[at - 1]}`);
    });
    return problems;
  },

  // Text stands out from what is behind it by 4.5 to 1 (WCAG 2.2, 1.4.3, without its exception for large text).
  contrast: () => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const colour = (text) => {
      const numbers = text.match(/-?[\d.]+(e-?\d+)?/g)?.map(Number) ?? [];
      if (text.startsWith("rgb")) return [...numbers.slice(0, 3), numbers[3] ?? 1];
      if (text.startsWith("color(srgb")) return [...numbers.slice(0, 3).map((c) => 255 * c), numbers[3] ?? 1];
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = text;
      canvas.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map((c) => top[c] * top[3] + below[c] * (1 - top[3])).concat(1);
    const light = ([r, g, b]) => {
      const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    };
    const paper = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) layers.push(colour(getComputedStyle(at).backgroundColor));
      return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
    };
    const alpha = (element) => {
      let product = 1;
      for (let at = element; at; at = at.parentElement) product *= Number(getComputedStyle(at).opacity);
      return product;
    };
    // Within a plot what was drawn before and lies behind the middle of the text.
    const behind = (text) => {
      const box = text.getBoundingClientRect();
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      let ground = paper(text.ownerSVGElement.parentElement);
      for (const shape of text.ownerSVGElement.querySelectorAll("rect, text")) {
        if (shape === text) break;
        const at = shape.getBoundingClientRect();
        if (shape.tagName === "text" || x < at.left || x > at.right || y < at.top || y > at.bottom) continue;
        const style = getComputedStyle(shape);
        if (style.fill === "none") continue;
        const fill = colour(style.fill);
        fill[3] *= Number(style.fillOpacity) * alpha(shape);
        ground = over(fill, ground);
      }
      return ground;
    };
    const worst = new Map();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const element = walk.currentNode.parentElement;
      if (!walk.currentNode.data.trim() || element.closest("title, script, style, noscript, option, [hidden]")) continue;
      const box = element.getBoundingClientRect();
      if (box.width === 0 || box.height === 0 || getComputedStyle(element).visibility === "hidden") continue;
      const style = getComputedStyle(element);
      const inPlot = element.ownerSVGElement;
      const ground = inPlot ? behind(element) : paper(element);
      const ink = colour(inPlot ? style.fill : style.color);
      ink[3] *= alpha(element) * (inPlot ? Number(style.fillOpacity) : 1);
      const [high, low] = [light(over(ink, ground)), light(ground)].sort((a, b) => b - a);
      const ratio = (high + 0.05) / (low + 0.05);
      if (ratio < 4.5) {
        const kind = `${element.tagName.toLowerCase()}.${element.getAttribute("class") ?? ""} in ${element.parentElement.tagName.toLowerCase()}`;
        if (!(worst.get(kind)?.ratio < ratio)) worst.set(kind, { ratio, text: walk.currentNode.data.trim().slice(0, 30), ink, ground });
      }
    }
    return [...worst].map(([kind, { ratio, text, ink, ground }]) => `${ratio.toFixed(2)}: ${kind} “${text}” ${ink.map(Math.round)} on ${ground.map(Math.round)}`);
  },
};

export const NAMES = Object.keys(checks);

// Runs a check in a page.
export const check = (page, name) => page.evaluate(checks[name]);

// By Tab alone every place that can be acted on is reached, and shows that it is.
export const keyboard = async (page) => {
  const count = await page.evaluate(() => {
    const places = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
    const seen = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== "hidden";
    window.places = [...document.querySelectorAll(places)].filter(seen);
    window.reached = new Set();
    document.activeElement?.blur();
    window.scrollTo(0, 0);
    return window.places.length;
  });
  const problems = new Set();
  for (let at = 0; at < 2 * count + 5; at += 1) {
    await page.keyboard.press("Tab");
    const problem = await page.evaluate(() => {
      const here = document.activeElement;
      if (here === null || here === document.body) return "";
      window.reached.add(here);
      const style = getComputedStyle(here);
      const box = here.getBoundingClientRect();
      if (box.bottom < 0 || box.top > innerHeight) return `focus is out of sight: ${here.outerHTML.slice(0, 80)}`;
      const shows = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
      return shows ? "" : `focus is not seen: ${here.outerHTML.slice(0, 80)}`;
    });
    if (problem) problems.add(problem);
    if (await page.evaluate(() => window.places.every((place) => window.reached.has(place)))) break;
  }
  const left = await page.evaluate(() =>
    window.places.filter((place) => !window.reached.has(place)).map((place) => `not reached by Tab: ${place.outerHTML.slice(0, 80)}`),
  );
  return [...problems, ...left];
};
