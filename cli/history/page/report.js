"use strict";
// The page is whole without this: it adds sorting, the log viewer and jumps. Text reaches the page as textContent alone.
(() => {
  const find = (id) => document.getElementById(id);

  // --- tables: a click on a heading sorts by its column
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.hasAttribute("data-v") ? Number(cell.getAttribute("data-v")) : cell.textContent;
  };
  const sort = (table, column, heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = Array.from(table.tBodies[0].rows);
    rows.sort((a, b) => {
      const x = value(a, column), y = value(b, column);
      const order = x < y ? -1 : x > y ? 1 : 0;
      return down ? -order : order;
    });
    table.tBodies[0].append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable"))
    Array.from(table.tHead.rows[0].cells).forEach((heading, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent;
      heading.textContent = "";
      heading.append(button);
      heading.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => sort(table, column, heading));
    });

  // --- charts: what a step is shows under the pointer
  for (const link of document.querySelectorAll("svg a")) {
    const row = find(link.getAttribute("href").slice(1));
    const title = document.createElementNS(link.namespaceURI, "title");
    title.textContent = Array.from(row.cells, (cell) => cell.textContent).join("\n");
    link.append(title);
  }

  // --- logs
  const logs = JSON.parse(find("data").textContent).logs;
  const line_height = 18;
  const tallest = 12e6;  // browsers draw no element that is much taller
  const longest_line = 4000;
  const box = find("lines"), list = find("list"), filler = find("filler");
  const choice = find("choice"), query = find("query"), count = find("count");
  let lines = [], step = null, here = -1, needle = "", hits = [];

  // What would turn the text around is named instead.
  const strange = /[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
  const named = (text) =>
    text.replace(strange, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
  // Colours become classes; other control sequences go.
  const sequence = /\u001b(?:\[([0-9;:?]*)[ -/]*([@-~])|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|.?)/g;
  const pieces = (text) => {
    const out = [];
    let colour = "", bold = false, at = 0;
    const put = (end) => {
      if (end > at) out.push([named(text.slice(at, end)), (colour + (bold ? " b" : "")).trim()]);
    };
    for (const found of text.matchAll(sequence)) {
      put(found.index);
      at = found.index + found[0].length;
      if (found[2] !== "m") continue;
      for (const code of (found[1] || "0").split(";").map(Number)) {
        if (code === 0) { colour = ""; bold = false; }
        else if (code === 1) bold = true;
        else if (code === 22) bold = false;
        else if (code === 39) colour = "";
        else if (code >= 30 && code <= 37) colour = "a" + (code - 30);
        else if (code >= 90 && code <= 97) colour = "a" + (code - 90);
      }
    }
    put(text.length);
    return out;
  };
  // A carriage return begins the line again.
  const last_state = (text) => {
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    return text.slice(text.lastIndexOf("\r", end - 1) + 1, end);
  };
  const plain = (text) => pieces(text).map((piece) => piece[0]).join("");

  const marked = (text, name) => {
    const out = document.createElement("span");
    if (name) out.className = name;
    let at = 0;
    const lower = text.toLowerCase();
    while (needle) {
      const found = lower.indexOf(needle, at);
      if (found < 0) break;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(found, found + needle.length);
      out.append(text.slice(at, found), mark);
      at = found + needle.length;
    }
    out.append(text.slice(at));
    return out;
  };
  const row = (index) => {
    const item = document.createElement("li");
    if (index === here) item.className = "here";
    const link = document.createElement("a");
    link.href = "#log=" + step + ":" + (index + 1);
    link.textContent = index + 1;
    item.append(link);
    const text = lines[index];
    for (const piece of pieces(text.slice(0, longest_line))) item.append(marked(piece[0], piece[1]));
    if (text.length > longest_line) item.append(" ... " + (text.length - longest_line) + " more characters");
    return item;
  };

  const shown = () => Math.ceil(box.clientHeight / line_height) + 2;
  const height = () => Math.min(lines.length * line_height, tallest);
  const range = () => Math.max(1, height() - box.clientHeight);
  const draw = () => {
    const most = Math.max(0, lines.length - shown() + 2);
    const first = Math.round(Math.min(1, box.scrollTop / range()) * most);
    list.style.top = box.scrollTop + "px";
    const rows = [];
    for (let i = first; i < Math.min(lines.length, first + shown()); ++i) rows.push(row(i));
    list.replaceChildren(...rows);
  };
  const go = (index) => {
    here = index;
    const most = Math.max(1, lines.length - shown() + 2);
    box.scrollTop = Math.min(1, Math.max(0, index - 5) / most) * range();
    draw();
  };
  const search = () => {
    needle = query.value.toLowerCase();
    hits = [];
    if (needle) lines.forEach((line, index) => { if (plain(line).toLowerCase().includes(needle)) hits.push(index); });
    count.textContent = needle ? hits.length + " lines" : "";
    draw();
  };
  const next = (direction) => {
    if (!hits.length) return;
    const after = direction > 0 ? hits.find((hit) => hit > here)
                                : hits.slice().reverse().find((hit) => hit < here);
    go(after === undefined ? hits[direction > 0 ? 0 : hits.length - 1] : after);
  };
  const open = (number) => {
    if (!Object.hasOwn(logs, number)) return false;
    if (step !== number) {
      step = number;
      choice.value = number;
      lines = logs[number].replace(/\n$/, "").split("\n").map(last_state);
      here = -1;
      filler.style.height = height() + "px";
      box.scrollTop = 0;
      search();
    }
    return true;
  };

  const follow = () => {
    const log = /^#log=(\d+)(?::(\d+))?$/.exec(location.hash);
    if (!log || !open(log[1])) return;
    find("logs").scrollIntoView();
    if (log[2]) go(Math.min(lines.length, Number(log[2])) - 1);
  };

  if (choice && choice.options.length) {
    box.addEventListener("scroll", draw);
    window.addEventListener("resize", draw);
    choice.addEventListener("change", () => open(choice.value));
    query.addEventListener("input", search);
    query.addEventListener("keydown", (event) => { if (event.key === "Enter") next(event.shiftKey ? -1 : 1); });
    find("next").addEventListener("click", () => next(1));
    find("previous").addEventListener("click", () => next(-1));
    window.addEventListener("hashchange", follow);
    find("viewer").hidden = false;
    open(choice.value);
    if (choice.dataset.failed) go(lines.length - 1);
    follow();
  }
})();
