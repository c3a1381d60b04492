// What a reader gains with JavaScript on. Nothing on the page depends on it: it only adds to what is there.
(() => {
"use strict";
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const SVG = "http://www.w3.org/2000/svg";
const drawn = (tag, attributes) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};

// --- folding: a link into something folded opens it; one button opens all of a list ---------------------------------
const reveal = () => {
  let element = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
  for (; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
};
addEventListener("hashchange", reveal);
addEventListener("click", (event) => event.target.closest?.('a[href^="#"]') && setTimeout(reveal));
reveal();
for (const list of all(".folds")) {
  const folds = all(":scope > details", list);
  if (folds.length < 2) continue;
  const button = make("button", { type: "button", class: "all" });
  const name = () => (button.textContent = folds.every((fold) => fold.open) ? "close all" : "open all");
  button.addEventListener("click", () => {
    const open = !folds.every((fold) => fold.open);
    for (const fold of folds) fold.open = open;
  });
  for (const fold of folds) fold.addEventListener("toggle", name);
  name();
  list.before(button);
}

// --- sorting: the head of a column is a button ----------------------------------------------------------------------
const value = (cell) => {
  const text = cell.dataset.sort ?? cell.innerText.trim();
  const number = parseFloat(text.replace(/,|^step |^epoch /g, "").replace("∞", "Infinity"));
  return { text, number: text === "–" || text === "" ? -Infinity : text === "birth" ? -1 : number };
};
for (const table of all("table.sortable")) {
  const [body] = table.tBodies;
  if (body.rows.length < 2) continue;
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = make("button", { type: "button", class: "sort", title: "sort by this column" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, ...value(row.cells[column]) }));
      const numeric = rows.every((entry) => !Number.isNaN(entry.number));
      rows.sort((a, b) => (numeric ? a.number - b.number || 0 : a.text.localeCompare(b.text, "en", { numeric: true })));
      if (down) rows.reverse();
      body.append(...rows.map((entry) => entry.row));
    });
  });
}

// --- one layer through all charts: point at it, or press its name in a legend to keep it ----------------------------
let kept = null;
const light = (layer) => {
  document.body.classList.toggle("linked", layer !== null);
  for (const element of all("[data-layer]")) element.classList.toggle("hot", element.dataset.layer === layer);
  for (const svg of all("svg:has(path[data-layer])")) svg.classList.toggle("cold", layer !== null && !svg.querySelector(".hot"));
};
const layerOf = (event) => event.target.closest?.("[data-layer]")?.dataset.layer ?? kept;
for (const kind of ["pointerover", "focusin"]) addEventListener(kind, (event) => light(layerOf(event)));
addEventListener("focusout", () => light(kept));
for (const item of all(".legend li[data-layer]")) {
  const button = make("button", { type: "button", "aria-pressed": "false", title: "keep this layer in sight" });
  button.append(...item.childNodes);
  item.append(button);
  button.addEventListener("click", () => {
    kept = kept === item.dataset.layer ? null : item.dataset.layer;
    for (const other of all(".legend li button"))
      other.setAttribute("aria-pressed", String(other.parentElement.dataset.layer === kept));
    light(kept);
  });
}
addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  kept = null;
  for (const button of all('.legend [aria-pressed="true"]')) button.setAttribute("aria-pressed", "false");
  light(null);
});

// --- read-outs: a cursor over every chart, moved by the pointer or by the arrow keys --------------------------------
const short = (number, percent) => {
  if (percent) return `${+(100 * number).toFixed(1)} %`;
  const size = Math.abs(number);
  if (number === 0) return "0";
  return size < 1e-3 || size >= 1e7 ? number.toExponential(1).replace(".0e", "e").replace("+", "") : String(+number.toPrecision(3));
};
const steps = (number) => number.toLocaleString("en");
for (const plot of all(".plot")) {
  const svg = plot.querySelector("svg[data-y]");
  if (!svg) continue;
  const [scale, low, high] = svg.dataset.y.split(" ").map((part, i) => (i ? +part : part));
  const at = (place) => (scale === "log" ? 10 ** (Math.log10(low) + place * Math.log10(high / low)) : low + place * (high - low));
  const points = new Map(); // step -> { place across, texts }
  for (const path of all("path[data-x]", svg)) {
    let step = 0;
    const places = [...path.getAttribute("d").matchAll(/[ML](\d+) (\d+)/g)];
    path.dataset.x.split(" ").forEach((gap, i) => {
      step += +gap;
      const point = points.get(step) ?? { across: places[i][1] / 1000, texts: [] };
      const name = path.dataset.label;
      point.texts.push((name ? name + " " : "") + short(at(1 - places[i][2] / 1000), svg.dataset.percent));
      points.set(step, point);
    });
  }
  const order = [...points.keys()].sort((a, b) => a - b);
  if (order.length < 2) continue;
  const cross = drawn("line", { class: "cross", y1: 0, y2: "100%" });
  svg.append(cross);
  const box = make("div", { class: "readout", "aria-hidden": "true" });
  const title = plot.closest("figure").dataset.title;
  const cursor = make("div", { class: "cursor", role: "slider", tabindex: 0, "aria-label": `${title}, values`,
    "aria-orientation": "horizontal", "aria-valuemin": order[0], "aria-valuemax": order.at(-1) });
  plot.append(cursor, box);
  let index = order.length - 1;
  const show = () => {
    const point = points.get(order[index]);
    const text = `step ${steps(order[index])}: ${point.texts.join(", ")}`;
    cursor.setAttribute("aria-valuenow", order[index]);
    cursor.setAttribute("aria-valuetext", text);
    box.textContent = text;
    cross.setAttribute("x1", `${100 * point.across}%`);
    cross.setAttribute("x2", `${100 * point.across}%`);
    box.classList.toggle("left", point.across > 0.5);
  };
  const nearest = (place) => {
    let best = 0;
    order.forEach((step, i) => {
      if (Math.abs(points.get(step).across - place) < Math.abs(points.get(order[best]).across - place)) best = i;
    });
    return best;
  };
  show();
  plot.addEventListener("pointermove", (event) => {
    const frame = svg.getBoundingClientRect();
    index = nearest((event.clientX - frame.left) / frame.width);
    show();
    plot.classList.add("read");
  });
  plot.addEventListener("pointerleave", () => plot.classList.remove("read"));
  cursor.addEventListener("focus", () => plot.classList.add("read"));
  cursor.addEventListener("blur", () => plot.classList.remove("read"));
  cursor.addEventListener("keydown", (event) => {
    const far = Math.max(1, Math.round(order.length / 10));
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: far, PageDown: -far, Home: -1e9, End: 1e9 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    index = Math.min(Math.max(index + moves[event.key], 0), order.length - 1);
    show();
  });
}

// --- distributions: one epoch at a time, the same in all layers -----------------------------------------------------
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const sliders = [];
for (const group of all(".maps")) {
  const shapes = all("figure[data-profile]", group).map((figure) => {
    const rows = figure.dataset.profile.split(" ").map((row) => [...row].map((digit) => DIGITS.indexOf(digit) / 61));
    const texts = all(".numbers tbody tr", figure).map((row) => [...row.cells].map((cell) => cell.textContent));
    const cells = figure.querySelector(".cells");
    const svg = drawn("svg", { class: "shape", viewBox: "0 0 72 40", preserveAspectRatio: "none", "aria-hidden": "true" });
    const area = drawn("path", {});
    const marker = make("div", { class: "row" });
    const words = make("p", { class: "how shaped" });
    svg.append(area);
    cells.append(marker);
    figure.querySelector(".map").before(words, svg);
    return (part) => {
      const i = Math.round(part * (rows.length - 1));
      area.setAttribute("d", "M0 40" + rows[i].map((share, x) => `L${x} ${40 - 40 * share}H${x + 1}`).join("") + "V40Z");
      marker.style.top = `${(100 * i) / rows.length}%`;
      marker.style.height = `${100 / rows.length}%`;
      const [, , low, median, high] = texts[i] ?? [];
      words.textContent = `median ${median}, two thirds ${low} to ${high}`;
    };
  });
  if (!shapes.length) continue;
  const count = Math.max(...all("figure[data-profile]", group).map((figure) => figure.dataset.profile.split(" ").length));
  if (count < 2) {
    for (const shape of shapes) shape(1);
    continue;
  }
  const names = all(".numbers tbody tr", group.querySelector("figure[data-profile]")).map((row) => row.cells[0].textContent);
  const input = make("input", { type: "range", min: 0, max: count - 1, value: count - 1 });
  const output = make("output", {});
  group.before(make("label", { class: "epochs" }, "distributions at ", input, " ", output));
  sliders.push((part) => {
    input.value = Math.round(part * (count - 1));
    output.textContent = names[Math.round(part * (names.length - 1))] ?? "";
    input.setAttribute("aria-valuetext", output.textContent);
    for (const shape of shapes) shape(part);
  });
  input.addEventListener("input", () => sliders.forEach((move) => move(input.value / (count - 1))));
}
for (const move of sliders) move(1);
})();
