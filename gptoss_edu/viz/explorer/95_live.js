// The live host: anywidget loads this same module. The reader types a prompt, masks experts, and the model answers anew.

async function renderLive({ model, el: host }) {
  const box = el("div"), form = el("form"), page = el("div");
  form.style.cssText = "display:flex;flex-wrap:wrap;gap:8px;font:14px system-ui,sans-serif;margin-bottom:8px";
  const question = el("input", { type: "text", "aria-label": "Question", style: "flex:1 1 260px;font:inherit;padding:4px 8px" });
  question.value = model.get("question");
  const effort = select("Effort", ["low", "medium", "high"].map((v) => [v, v]), model.get("effort"), () => {});
  const sinks = el("input", { type: "checkbox", id: "gx-no-sinks" });
  const sinksBox = el("label", { for: "gx-no-sinks" }, "without sinks ");
  sinksBox.append(sinks);
  const ask = el("button", { type: "submit", style: "font:inherit;padding:4px 12px" }, "Ask");
  const status = el("p", { role: "status", "aria-live": "polite", style: "font:13px system-ui,sans-serif;margin:4px 0" });
  form.append(question, effort, sinksBox, ask);
  box.append(form, status, page);
  host.append(box);
  const send = (masks) => {
    const interventions = sinks.checked ? [...masks, { kind: "ShiftSink", amount: "-inf", layer: null, heads: null }] : masks;
    model.set("question", question.value);
    model.set("effort", effort.node.value);
    model.set("request", { number: (model.get("request").number || 0) + 1, interventions });
    model.save_changes();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send([]);
  });
  let app = null;
  const show = async () => {
    const view = model.get("payload");
    if (!view || !view.byteLength) return;
    if (app) app.destroy();
    app = await mount(page, new Uint8Array(view.buffer, view.byteOffset, view.byteLength), { apply: send });
  };
  const tell = () => (status.textContent = model.get("status"));
  model.on("change:payload", show);
  model.on("change:status", tell);
  tell();
  await show();
  return () => {
    model.off("change:payload", show);
    model.off("change:status", tell);
    if (app) app.destroy();
  };
}

export default { render: renderLive };
