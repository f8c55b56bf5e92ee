"use strict";

// Only for pages with trials. Texts are set as text, never as markup.
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

  // Facts about the trial of a cell: task, outcome, pairs of name and text, and video.
  const trial = (row, index) => ({
    task: rows[row].name,
    outcome: rows[row].outcome[0][rows[row].outcome[1][index]],
    pairs: rows[row].details
      .map(([name, texts, indices]) => [name, texts[indices[index]]])
      .filter(([, text]) => text),
    clip: rows[row].clips[index],
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

  // Places the details below the cell if there is room, else above, within the window.
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

  // The address of a video: a blob if the page embeds it, or the link to its file.
  const address = ([number, link]) => {
    const embedded = document.getElementById(`clip-${number}`);
    if (!embedded) return link;
    const bytes = Uint8Array.from(atob(embedded.textContent), (c) => c.charCodeAt(0));
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

  // A page loads no file by itself: a linked video is loaded when it is played.
  for (const figure of document.querySelectorAll("figure.featured")) {
    const { number, link } = figure.dataset;
    const embedded = document.getElementById(`clip-${number}`);
    const start = embedded ? { autoplay: true } : { preload: "none" };
    figure.prepend(player([number, link], start));
  }

  const watch = (cell) => {
    const facts = trial(...find(cell));
    const video = player(facts.clip, { autoplay: true });
    hide();
    dialog.querySelector("h2").textContent = `${facts.task}: ${facts.outcome}`;
    dialog.querySelector(".film").replaceChildren(video, trialInfo(facts, false));
    dialog.showModal();
  };

  const leave = () => {
    const video = dialog.querySelector("video");
    if (video) URL.revokeObjectURL(video.src);
    dialog.querySelector(".film").replaceChildren();
  };

  const move = (event) => {
    const [row, index] = find(event.target);
    const to = {
      ArrowLeft: [row, index - 1],
      ArrowRight: [row, index + 1],
      ArrowUp: [row - 1, index],
      ArrowDown: [row + 1, index],
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

  // Tab reaches one cell of each row, the arrow keys reach the others.
  groups.forEach((group, row) =>
    [...group.children].forEach((cell, index) => {
      const { task, outcome, pairs, clip } = trial(row, index);
      const known = pairs.map((pair) => pair.join(" "));
      const label = [task, outcome, ...known, ...(clip ? ["Video"] : [])];
      cell.setAttribute("aria-label", label.join(", "));
      cell.tabIndex = index ? -1 : 0;
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

// Hovering over a name, a row or a mark of a line pales the other lines of its card.
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
