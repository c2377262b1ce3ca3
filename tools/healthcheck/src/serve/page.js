// Keeps the page fresh: takes what the server sends, part by part, so that what is open stays open and what has
// the focus keeps it.
"use strict";

const main = document.getElementById("main");
const link = document.getElementById("link");
let heard = Date.now();
let alive = false;

function replace(html) {
  const next = new DOMParser().parseFromString(html, "text/html").body;
  const open = new Set([...main.querySelectorAll("details[open]")].map((one) => one.id));
  for (const id of open) {
    const one = next.querySelector(`details[id="${CSS.escape(id)}"]`);
    if (one) one.open = true;
  }
  const focus = document.activeElement;
  const held = focus && main.contains(focus) ? focus.closest("details") : null;
  const parts = (root) => [...root.querySelectorAll("section[id]")];
  const before = parts(main), after = parts(next);
  const same = before.length === after.length && before.every((one, at) => one.id === after[at].id);
  if (!same) {
    main.replaceChildren(...next.childNodes);
  } else {
    before.forEach((one, at) => { if (!one.isEqualNode(after[at])) one.replaceWith(after[at]); });
  }
  if (held && !main.contains(focus)) {
    const again = document.getElementById(held.id);
    if (again) again.querySelector("summary").focus({ preventScroll: true });
  }
}

function show() {
  const silent = Math.round((Date.now() - heard) / 1000);
  const lost = !alive || silent > 30;
  link.className = lost ? "lost" : "";
  link.textContent = lost ? `Connection lost; what is shown is ${silent} s old.` : "Live.";
}

// What a link leads to is opened, or there would be nothing to see.
function reveal() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) {
    target.open = true;
    target.scrollIntoView();
  }
}

const events = new EventSource("events");
events.addEventListener("state", (event) => { heard = Date.now(); alive = true; replace(event.data); show(); });
events.addEventListener("error", () => { alive = false; show(); });
addEventListener("hashchange", reveal);
setInterval(show, 1000);
reveal();
