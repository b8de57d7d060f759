// Puts an explorer into an element, from the bytes of a payload or from their base64.

import { App } from "./app.js";
import { bytesFromBase64, decodePayload } from "./data.js";

const MOUNTED = new WeakMap(); // the explorer that an element holds: a new one takes its place whole

export async function mount(element, bytes, options = {}) {
  const payload = await decodePayload(bytes);
  const root = element.shadowRoot || element.attachShadow({ mode: "open" });
  if (MOUNTED.has(root)) MOUNTED.get(root).destroy();
  root.replaceChildren();
  const app = new App(root, payload, options);
  MOUNTED.set(root, app);
  return app;
}

export async function mountText(element, base64, options = {}) {
  return mount(element, bytesFromBase64(base64), options);
}
