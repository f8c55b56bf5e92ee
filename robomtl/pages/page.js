"use strict";

// A page without trials has none of this to do. Texts are set as texts, never as markup.
if (document.getElementById("trials")) {
  const rows = JSON.parse(document.getElementById("trials").textContent);
  const groups = [...document.querySelectorAll(".cells")];
  const details = document.getElementById("details");
  const dialog = document.getElementById("video");
  let shown = null;

  const make = (tag, text = "", name = "") => {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = name;
    return element;
  };

  // What is known of the trial in a place: its outcome, pairs of name and text, its video.
  const trial = (row, place) => ({
    task: rows[row].name,
    outcome: rows[row].outcome[0][rows[row].outcome[1][place]],
    pairs: rows[row].details
      .map(([name, texts, places]) => [name, texts[places[place]]])
      .filter(([, text]) => text),
    clip: rows[row].clips[place],
  });

  const find = (cell) => {
    const row = groups.indexOf(cell.parentElement);
    return [row, [...cell.parentElement.children].indexOf(cell)];
  };

  const trialInfo = ({ task, outcome, pairs, clip }, hint) => {
    const box = make("div", "", "trial-info");
    const list = make("dl");
    for (const [name, text] of pairs) {
      const line = make("div");
      line.append(make("dt", name), make("dd", text));
      list.append(line);
    }
    box.append(make("strong", task), make("strong", outcome), list);
    if (hint && clip) box.append(make("p", "Click to watch.", "hint"));
    return box;
  };

  const hide = () => {
    details.hidden = true;
    shown?.classList.remove("shown");
    shown = null;
  };

  // Beside the cell, below it if there is room, and never past the edge of the window.
  const position = () => {
    const at = shown.getBoundingClientRect();
    const { width, height } = details.getBoundingClientRect();
    const below = at.bottom + 8 + height <= innerHeight;
    const left = Math.min(at.left + at.width / 2 - width / 2, innerWidth - width - 8);
    details.style.left = `${Math.max(8, left)}px`;
    details.style.top = `${Math.max(8, below ? at.bottom + 8 : at.top - 8 - height)}px`;
  };

  const show = (cell) => {
    if (shown === cell) return;
    hide();
    shown = cell;
    cell.classList.add("shown");
    details.replaceChildren(trialInfo(trial(...find(cell)), true));
    details.hidden = false;
    position();
  };

  // The address of a video: one made of what the page holds, or that of the file.
  const address = ([number, link]) => {
    const held = document.getElementById(`clip-${number}`);
    if (!held) return link;
    const bytes = Uint8Array.from(atob(held.textContent), (c) => c.charCodeAt(0));
    return URL.createObjectURL(new Blob([bytes], { type: "video/mp4" }));
  };

  const player = (clip, start) => {
    const video = make("video");
    Object.assign(video, { controls: true, loop: true, muted: true, ...start });
    video.playsInline = true;
    video.onerror = () =>
      video.replaceWith(make("p", `There is no video at ${clip[1]}.`, "warn"));
    video.src = address(clip);
    return video;
  };

  // A page loads no file by itself: a film beside it waits until somebody plays it.
  for (const figure of document.querySelectorAll("figure.featured")) {
    const { number, link } = figure.dataset;
    const held = document.getElementById(`clip-${number}`);
    figure.prepend(player([number, link], held ? { autoplay: true } : { preload: "none" }));
  }

  const watch = (cell) => {
    const found = trial(...find(cell));
    const video = player(found.clip, { autoplay: true });
    hide();
    dialog.querySelector("h2").textContent = `${found.task}: ${found.outcome}`;
    dialog.querySelector(".film").replaceChildren(video, trialInfo(found, false));
    dialog.showModal();
  };

  const leave = () => {
    const video = dialog.querySelector("video");
    if (video) URL.revokeObjectURL(video.src);
    dialog.querySelector(".film").replaceChildren();
  };

  const move = (event) => {
    const [row, place] = find(event.target);
    const to = {
      ArrowLeft: [row, place - 1],
      ArrowRight: [row, place + 1],
      ArrowUp: [row - 1, place],
      ArrowDown: [row + 1, place],
      Home: [row, 0],
      End: [row, groups[row].children.length - 1],
    }[event.key];
    const cell = to && groups[to[0]]?.children[to[1]];
    if (!cell) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus();
  };

  // One cell of each row is reached by Tab, the others by arrows.
  groups.forEach((group, row) =>
    [...group.children].forEach((cell, place) => {
      const { task, outcome, pairs, clip } = trial(row, place);
      const known = pairs.map((pair) => pair.join(" "));
      const label = [task, outcome, ...known, ...(clip ? ["Video"] : [])];
      cell.setAttribute("aria-label", label.join(", "));
      cell.tabIndex = place ? -1 : 0;
    }),
  );

  const on = (name, act) =>
    groups.forEach((group) =>
      group.addEventListener(name, (event) => {
        if (event.target !== group) act(event.target, event);
      }),
    );
  on("mouseover", show);
  on("mouseout", hide);
  on("focusin", show);
  on("focusout", hide);
  on("keydown", (cell, event) => move(event));
  on("click", (cell) => (cell.classList.contains("video") ? watch(cell) : show(cell)));

  dialog.addEventListener("close", leave);
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  document.addEventListener("click", (event) => event.target === shown || hide());
  addEventListener("scroll", () => shown && position(), { passive: true });
}

// Pointing at a name, a row or a mark of a line pales the other lines of its card.
for (const card of document.querySelectorAll(".card")) {
  const drawn = [...card.querySelectorAll(".legend [data-line], .plot [data-line]")];
  const pick = (line) =>
    drawn.forEach((each) =>
      each.classList.toggle("pale", line !== undefined && each.dataset.line !== line),
    );
  if (drawn.length) {
    card.addEventListener("mouseover", (event) =>
      pick(event.target.closest("[data-line]")?.dataset.line),
    );
    card.addEventListener("mouseleave", () => pick());
  }
}
