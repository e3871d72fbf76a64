// What changes on a page of the board is fetched again: every two seconds while the page is seen, less often when the board does not
// answer. Scroll, focus, marks and a selection stay as they are. Without this script all works but for that.
"use strict";

(() => {
  const PERIOD = 2000;
  const LONGEST = 30000;
  const status = document.getElementById("status");
  const parts = (page) => [...page.querySelectorAll("[data-live]")];
  // As the server wrote them: what is on the page changes under the reader's hands.
  const written = new Map(parts(document).map((part) => [part.id, part.innerHTML]));
  let tag = null;
  let wait = PERIOD;
  let timer = 0;

  const say = (text) => {
    if (status.textContent !== text) status.textContent = text;
    status.hidden = text === "";
  };

  // How an element is known again.
  const key = (element) =>
    element.id || element.getAttribute("href") || element.getAttribute("aria-label") || "";

  const isSelected = (part) => {
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed && selection.containsNode(part, true);
  };

  const replace = (part, text) => {
    const marked = new Set([...part.querySelectorAll("input:checked")].map((box) => box.value));
    const open = new Set([...part.querySelectorAll("details[open]")].map(key));
    const scrolled = [...part.querySelectorAll(".scroll, pre")].map((box) => [box.scrollLeft, box.scrollTop]);
    const focused = part.contains(document.activeElement) ? key(document.activeElement) : "";
    part.innerHTML = text;
    for (const box of part.querySelectorAll("input[type=checkbox]")) box.checked = marked.has(box.value);
    for (const details of part.querySelectorAll("details")) details.open = open.has(key(details));
    [...part.querySelectorAll(".scroll, pre")].forEach((box, at) => {
      if (scrolled[at]) [box.scrollLeft, box.scrollTop] = scrolled[at];
    });
    if (focused !== "") {
      const again = [...part.querySelectorAll("a, input, button, select, summary, [tabindex]")];
      again.find((element) => key(element) === focused)?.focus({ preventScroll: true });
    }
  };

  // Whether all of it is shown now.
  const update = (page) => {
    let isAll = true;
    for (const fresh of parts(page)) {
      const part = document.getElementById(fresh.id);
      if (part === null || written.get(fresh.id) === fresh.innerHTML) continue;
      if (isSelected(part)) {
        isAll = false;
        continue;
      }
      written.set(fresh.id, fresh.innerHTML);
      replace(part, fresh.innerHTML);
    }
    filter();
    return isAll;
  };

  const look = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const headers = tag === null ? {} : { "If-None-Match": tag };
      const answer = await fetch(location.href, { headers, cache: "no-store" });
      wait = PERIOD;
      if (answer.status === 404) {
        say("This is not there any more. What is shown is the last that was seen of it.");
      } else if (!answer.ok && answer.status !== 304) {
        say("The board could not make this page. What is shown is the last that was seen of it.");
      } else if (answer.status !== 304) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        tag = update(page) ? answer.headers.get("ETag") : null;
        say("");
      } else {
        say("");
      }
    } catch {
      wait = Math.min(2 * wait, LONGEST);
      say("The board is gone: what is shown is the last that was seen. Start it again with: tallow board");
    }
    timer = setTimeout(look, wait);
  };

  const box = document.getElementById("filter");
  const filter = () => {
    if (box === null) return;
    const words = box.value.toLowerCase().split(/\s+/);
    for (const row of document.querySelectorAll("tr[data-words]")) {
      row.hidden = !words.every((word) => row.dataset.words.includes(word));
    }
    for (const section of document.querySelectorAll("#runs section")) {
      const rows = [...section.querySelectorAll("tr[data-words]")];
      section.hidden = rows.length > 0 && rows.every((row) => row.hidden);
    }
  };

  box?.addEventListener("input", () => {
    filter();
    // What the server left out is fetched.
    if (location.search !== "") {
      history.replaceState(null, "", location.pathname);
      tag = null;
      look();
    }
  });
  document.addEventListener("visibilitychange", look);
  filter();
  timer = setTimeout(look, PERIOD);
})();
