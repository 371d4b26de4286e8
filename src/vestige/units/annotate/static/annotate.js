// What makes the task pleasant: keys, ranges, undo, larger pictures, earlier concepts, and work that survives a reload.
// The form works without it.
"use strict";

const form = document.getElementById("answer");
const concept = document.getElementById("concept");
const tiles = document.getElementById("tiles");
const boxes = [...tiles.querySelectorAll("input")];
const undoButton = document.getElementById("undo");
const viewer = document.getElementById("viewer");

// ---- marks: a list of booleans, one a picture; every change goes through change(), so that it can be undone and is kept

const earlier = [];
const marks = () => boxes.map((box) => box.checked);

function show(state) {
  boxes.forEach((box, place) => { box.checked = state[place]; });
  const marked = state.filter(Boolean).length;
  document.getElementById("count").textContent = `${marked} marked`;
  undoButton.disabled = !earlier.length;
  if (viewer.open) showLarger();
  keep();
}

function change(before, after) {
  if (before.every((mark, place) => mark === after[place])) return;
  earlier.push(before);
  show(after);
}

function undo() {
  if (!earlier.length) return;
  stroke = null;
  show(earlier.pop());
  if (document.activeElement === document.body) boxes[at].focus(); // a button that is disabled loses the focus
}

// ---- the picture in focus, and ranges: from the anchor, in the way in which the anchor was last marked

let at = 0;
let anchor = { place: 0, mark: true };
let stroke = null; // the marks before a range began: while shift is held, the range grows and shrinks as one change

function goTo(place) {
  boxes[at].tabIndex = -1;
  at = Math.max(0, Math.min(boxes.length - 1, place));
  boxes[at].tabIndex = 0;
}

function startAt(place) {
  goTo(place);
  anchor = { place: at, mark: true };
  stroke = null;
}

function toggle(place, before = marks()) {
  stroke = null;
  anchor = { place, mark: !before[place] };
  change(before, before.map((mark, k) => (k === place ? anchor.mark : mark)));
}

function rangeTo(place) {
  if (!stroke) {
    stroke = marks();
    earlier.push(stroke);
  }
  const [first, last] = [Math.min(anchor.place, place), Math.max(anchor.place, place)];
  show(stroke.map((mark, k) => (first <= k && k <= last ? anchor.mark : mark)));
}

function columns() {
  const top = boxes[0].getBoundingClientRect().top;
  const below = boxes.findIndex((box) => box.getBoundingClientRect().top > top + 1);
  return below < 0 ? boxes.length : below;
}

function target(key) {
  const wide = columns();
  const rows = Math.ceil(boxes.length / wide);
  switch (key) {
    case "ArrowLeft": return at - 1;
    case "ArrowRight": return at + 1;
    case "ArrowUp": return at >= wide ? at - wide : at;
    case "ArrowDown": return at + wide < boxes.length ? at + wide : at;
    case "Home": return 0;
    case "End": return boxes.length - 1;
    case "PageUp": return at % wide;
    case "PageDown": return Math.min((rows - 1) * wide + (at % wide), boxes.length - 1);
    default: return null;
  }
}

tiles.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.type !== "checkbox") return;
  const place = target(event.key);
  if (place !== null) {
    if (event.shiftKey) goTo(place); else startAt(place);
    boxes[at].focus();
    if (event.shiftKey) rangeTo(at);
  } else if (event.key === " " && event.shiftKey) {
    rangeTo(at);
  } else if (event.key === "Enter") {
    openViewer(at);
  } else if (event.key >= "1" && event.key <= "6") {
    const kind = form.elements.group[Number(event.key) - 1];
    kind.checked = true;
    keep();
    say(`${kind.value} chosen`);
  } else {
    return;
  }
  event.preventDefault();
});

tiles.addEventListener("keyup", (event) => { if (event.key === " " && event.shiftKey) event.preventDefault(); });

tiles.addEventListener("mousedown", (event) => { if (event.shiftKey) event.preventDefault(); }); // it would select text
tiles.addEventListener("click", (event) => {
  const button = event.target.closest(".larger");
  if (button) { openViewer(boxes.indexOf(button.parentElement.querySelector("input"))); return; }
  const place = boxes.indexOf(event.target);
  if (place < 0) return;
  const before = marks();
  before[place] = !before[place]; // the browser has marked it already
  goTo(place);
  if (!event.shiftKey) { toggle(place, before); return; }
  boxes[place].checked = before[place];
  boxes[place].focus();
  rangeTo(place);
});
tiles.addEventListener("focusin", (event) => {
  const place = boxes.indexOf(event.target);
  if (place >= 0) goTo(place);
});

undoButton.addEventListener("click", undo);
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
  if (event.key.toLowerCase() === "z" && !event.shiftKey && document.activeElement !== concept) {
    event.preventDefault();
    undo();
  } else if (event.key === "Enter" && !viewer.open) {
    event.preventDefault();
    form.requestSubmit();
  }
});

// ---- larger pictures: all of them, as this browser remembers, or one

const LARGE = "vestige/annotate-large";
const sizeButton = document.getElementById("size");

function setLarge(large) {
  tiles.classList.toggle("large", large);
  sizeButton.setAttribute("aria-pressed", large);
}

sizeButton.addEventListener("click", () => {
  const large = !tiles.classList.contains("large");
  setLarge(large);
  stored((store) => (large ? store.setItem(LARGE, "1") : store.removeItem(LARGE)));
});

const wholeButton = viewer.querySelector("[data-whole]");
let looked = 0; // the picture that is shown
let whole = false; // the picture itself, not as the unit segments it

function showLarger() {
  const image = viewer.querySelector("img");
  const address = `/picture/${boxes[at].value}${whole ? "/whole" : ""}`;
  if (image.getAttribute("src") !== address) image.setAttribute("src", address);
  image.alt = `Picture ${at + 1}${whole ? ", whole" : ""}`;
  image.classList.toggle("marked", boxes[at].checked);
  document.getElementById("viewer-title").textContent = `Picture ${at + 1} of ${boxes.length}`;
  viewer.querySelector("[data-mark]").setAttribute("aria-pressed", boxes[at].checked);
  wholeButton.setAttribute("aria-pressed", whole);
}

function turnWhole() {
  whole = !whole;
  showLarger();
}

function openViewer(place) {
  stepTo(place);
  viewer.showModal();
  viewer.querySelector("[data-mark]").focus();
}

function stepTo(place) {
  startAt(place);
  looked = at;
  showLarger();
}

viewer.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) { viewer.close(); return; }
  const step = event.target.closest("[data-step]");
  if (step) stepTo(at + Number(step.dataset.step));
  if (event.target.closest("[data-mark]")) toggle(at);
  if (event.target.closest("[data-whole]")) turnWhole();
});
viewer.addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    stepTo(at + (event.key === "ArrowLeft" ? -1 : 1));
  } else if (event.key === "w") {
    turnWhole();
  }
});
viewer.addEventListener("close", () => boxes[looked].focus()); // the browser goes back to where it was opened

// ---- earlier concepts: a listbox below the words, in which the arrow keys choose

const list = document.getElementById("concepts");
let asked = 0;
let chosen = -1;

function close() {
  asked += 1; // what is still on its way comes too late
  list.hidden = true;
  chosen = -1;
  concept.setAttribute("aria-expanded", "false");
  concept.removeAttribute("aria-activedescendant");
}

function choose(place) {
  chosen = place;
  [...list.children].forEach((option, k) => option.setAttribute("aria-selected", k === place));
  if (place < 0) { concept.removeAttribute("aria-activedescendant"); return; }
  concept.setAttribute("aria-activedescendant", list.children[place].id);
  list.children[place].scrollIntoView({ block: "nearest" });
}

function take(option) {
  concept.value = option.textContent;
  close();
  keep();
}

async function suggest() {
  const text = concept.value.trim();
  const turn = ++asked;
  if (!text) { close(); return; }
  let found = [];
  try {
    const reply = await fetch(`/concepts?q=${encodeURIComponent(text)}`);
    if (reply.ok) found = await reply.json();
  } catch { /* without a connection there is nothing to offer */ }
  if (turn !== asked) return;
  found = found.filter((each) => each !== text);
  if (!found.length || document.activeElement !== concept) { close(); return; }
  list.replaceChildren(...found.map((each, k) => {
    const option = document.createElement("li");
    option.id = `concept-${k}`;
    option.setAttribute("role", "option");
    option.textContent = each;
    return option;
  }));
  choose(-1);
  list.hidden = false;
  concept.setAttribute("aria-expanded", "true");
  say(found.length === 1 ? "1 earlier concept" : `${found.length} earlier concepts`);
}

let pause;
concept.addEventListener("input", () => { keep(); clearTimeout(pause); pause = setTimeout(suggest, 120); });
concept.addEventListener("blur", () => { clearTimeout(pause); close(); });
concept.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.isComposing) return;
  const count = list.hidden ? 0 : list.children.length;
  if (count && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(((chosen + step + 1 + count + 1) % (count + 1)) - 1); // -1 is what was typed
  } else if (event.key === "Enter") {
    if (chosen >= 0) take(list.children[chosen]); else if (concept.value.trim()) boxes[at].focus();
  } else if (event.key === "Escape" && count) {
    close();
  } else {
    return;
  }
  event.preventDefault();
});
list.addEventListener("pointerdown", (event) => event.preventDefault()); // the words keep the focus
list.addEventListener("click", (event) => {
  const option = event.target.closest("[role=option]");
  if (option) take(option);
});

// ---- work that is not sent yet stays in this browser

const PREFIX = "vestige/annotate/";
const draft = PREFIX + form.dataset.draft;
const A_MONTH = 30 * 24 * 3600 * 1000;

function stored(job) {
  try { return job(localStorage); } catch { return null; } // a browser may forbid it, or it is full
}

function keep() {
  spend();
  const group = new FormData(form).get("group") ?? "";
  const marked = boxes.filter((box) => box.checked).map((box) => box.value);
  stored((store) => store.setItem(draft, JSON.stringify({ concept: concept.value, group, marked, seconds: spent, at: Date.now() })));
}

function restore() {
  const kept = stored((store) => JSON.parse(store.getItem(draft)));
  if (!kept) return;
  spent = Math.max(spent, kept.seconds ?? 0);
  concept.value = kept.concept;
  for (const kind of form.elements.group) kind.checked = kind.value === kept.group;
  show(boxes.map((box) => kept.marked.includes(box.value)));
}

function sweep() {
  stored((store) => {
    for (const key of Object.keys(store).filter((each) => each.startsWith(PREFIX))) {
      let age = Infinity;
      try { age = Date.now() - JSON.parse(store.getItem(key)).at; } catch { /* not ours any more */ }
      if (age > A_MONTH) store.removeItem(key);
    }
  });
}

form.addEventListener("change", keep);
window.addEventListener("pagehide", () => { if (stored((store) => store.getItem(draft))) keep(); });

// ---- time spent: while the page is in view, and something is done every two minutes at least

const IDLE = 120;
let spent = Number(form.dataset.seconds);
let since = performance.now();
let inView = !document.hidden;

function spend() {
  const now = performance.now();
  if (inView) spent += Math.min((now - since) / 1000, IDLE);
  since = now;
  inView = !document.hidden;
}

for (const sign of ["keydown", "pointerdown", "pointermove", "scroll", "visibilitychange"]) {
  document.addEventListener(sign, spend, { capture: true, passive: true });
}

// ---- sending: what the server took is forgotten here, and nothing else is

const problem = document.getElementById("problem");
const send = document.getElementById("send");
const said = document.createElement("p");
said.className = "unseen";
said.setAttribute("role", "status");
document.body.append(said);

function say(text) { said.textContent = text; }

async function post(event, gone) {
  event.preventDefault();
  if (send.disabled) return;
  send.disabled = true;
  problem.textContent = "";
  const body = new URLSearchParams(new FormData(event.target));
  spend();
  body.set("seconds", spent.toFixed(1));
  try {
    const reply = await fetch(event.target.action, { method: "POST", headers: { Accept: "application/json" }, body });
    if (reply.ok) {
      const { next } = await reply.json();
      gone();
      location.assign(next);
      return;
    }
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const advice = page.getElementById("advice")?.textContent ?? `The server refused it (${reply.status}).`;
    problem.textContent = `Not sent. ${advice} Your work is kept here. `;
    const on = page.querySelector("a.button");
    if (on) problem.append(on);
  } catch {
    problem.textContent = "Not sent: the server cannot be reached. Your work is kept here; send it again in a while.";
  }
  send.disabled = false;
}

form.addEventListener("submit", (event) => post(event, () => stored((store) => store.removeItem(draft))));
document.getElementById("skip").addEventListener("submit", (event) => post(event, () => {}));

// ---- start

concept.setAttribute("role", "combobox");
concept.setAttribute("aria-autocomplete", "list");
concept.setAttribute("aria-controls", "concepts");
concept.setAttribute("aria-expanded", "false");
undoButton.hidden = false;
sizeButton.hidden = false;
setLarge(stored((store) => store.getItem(LARGE)) !== null);
tiles.querySelectorAll(".larger").forEach((button) => { button.hidden = false; });
boxes.forEach((box) => { box.tabIndex = -1; });
startAt(0);
history.replaceState(null, "", location.pathname); // what became of the last unit is told once
sweep();
restore();
document.getElementById("notice")?.focus();
