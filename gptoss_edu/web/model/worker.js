// The worker of a page. Messages in: load, ask, look, stop. Messages out: ready, failed, and what session.js tells.

import { Session } from "./session.js";

let session = null;

// Base64 to bytes; `fromBase64` is in browsers of 2025.
function decoded(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

// files: {name, config, ranks, meta, weights}, the weights in base64.
function load({ files, kernel }) {
  const started = performance.now();
  try {
    const given = { ...files, weights: decoded(files.weights) };
    session = new Session(given, (message, transfer) => postMessage(message, transfer), kernel);
    const { kernels, config, name } = session.model;
    postMessage({ kind: "ready", kernel: kernels.name, config, name, ms: performance.now() - started });
  } catch (error) {
    postMessage({ kind: "failed", message: error.message });
  }
}

onmessage = ({ data }) => {
  if (data.kind === "load") load(data);
  else if (data.kind === "ask") session.ask(data);
  else if (data.kind === "look") session.look(data);
  else if (data.kind === "stop") session?.stop();
};
