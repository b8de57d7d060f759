// The live host: anywidget loads this same module. The reader types a prompt, masks experts, and the model answers
// anew.

import { App } from "./app.js";
import { dress } from "./colors.js";
import { decodePayload } from "./data.js";
import { el, pick, select } from "./elements.js";
import { STYLE } from "./style.js";

// JupyterLab says on its body whether its theme is light; elsewhere the system's preference holds.
function siteTheme() {
  const light = document.body.dataset.jpThemeLight;
  return light === undefined ? null : light === "true" ? "light" : "dark";
}

function askForm(model) {
  const question = el("input", { type: "text", "aria-label": "Question", class: "question" });
  question.value = model.get("question");
  const effort = select(
    "Effort",
    ["low", "medium", "high"].map((v) => [v, v]),
    model.get("effort"),
    () => {},
  );
  const sinks = el("input", { type: "checkbox" });
  const sinksBox = el("label", { class: "choice" });
  sinksBox.append(sinks, " without sinks");
  const form = el("form", { class: "controls" });
  form.append(question, effort, sinksBox, el("button", { type: "submit" }, "Ask"));
  return { form, question, effort: effort.node, sinks };
}

async function renderLive({ model, el: host }) {
  // Typing here must not reach the notebook, where "m" or "x" would change or cut the cell.
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  const { form, question, effort, sinks } = askForm(model);
  const box = el("div"),
    shell = el("div", { class: "gx ask" }),
    page = el("div");
  const status = el("p", { role: "status", "aria-live": "polite", class: "answer" });
  shell.append(form, status);
  box.attachShadow({ mode: "open" }).append(el("style", {}, STYLE), shell, page);
  host.append(box);
  // JupyterLab keeps the Enter key from sending forms.
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    send();
  });
  let app = null,
    worn = null,
    latest = 0;
  const masks = () => (app ? app.store.interventions() : []);
  const send = () => {
    const all = sinks.checked ? [...masks(), { kind: "ShiftSink", amount: "-inf", layer: null, heads: null }] : masks();
    model.set("question", question.value);
    model.set("effort", effort.value);
    model.set("request", { number: (model.get("request").number || 0) + 1, interventions: all });
    model.save_changes();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  const dressed = (theme) => dress(shell, theme);
  const wear = () => {
    const said = siteTheme();
    if (app && said && ["auto", worn].includes(app.choice)) app.setTheme((worn = said));
  };
  // A new answer takes the place of the old one; what the reader had chosen stays.
  const show = async () => {
    const view = model.get("payload");
    if (!view || !view.byteLength) return;
    const mine = ++latest;
    const payload = await decodePayload(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
    if (mine !== latest) return;
    const kept = app ? pick(app.store.state, ["l", "h", "grid", "masks"]) : {};
    const theme = app ? app.choice : undefined;
    if (app) app.destroy();
    app = new App(page.shadowRoot || page.attachShadow({ mode: "open" }), payload, {
      apply: send,
      dressed,
      theme,
      start: kept,
    });
    wear();
  };
  const tell = () => (status.textContent = model.get("status"));
  const observer = new MutationObserver(wear);
  observer.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  model.on("change:payload", show);
  model.on("change:status", tell);
  tell();
  await show();
  return () => {
    observer.disconnect();
    model.off("change:payload", show);
    model.off("change:status", tell);
    latest++;
    if (app) app.destroy();
  };
}

export default { render: renderLive };
