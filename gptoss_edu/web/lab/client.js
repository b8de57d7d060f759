// The page's one worker, in which the model lives. It is made, and its files are fetched, at the first question.

let shared = null; // {worker, ready, heard}, the same for all boxes of a page
let questions = 0;

export class ModelClient {
  // worker: the worker's source text; files: a function that promises {config, ranks, meta, weights}.
  constructor({ worker, files, kernel = "auto" }) {
    Object.assign(this, { source: worker, files, kernel });
  }

  // {kernel, config, name, ms} once the model can answer.
  load() {
    shared ??= start(this.source, this.files, this.kernel);
    return shared.ready;
  }

  // Ask; `told` hears every message of this question. Gives its number.
  async ask(request, told) {
    await this.load();
    const number = ++questions;
    shared.heard.set(number, told);
    shared.worker.postMessage({ kind: "ask", number, ...request });
    return number;
  }

  stop() {
    shared?.worker.postMessage({ kind: "stop" });
  }
}

function start(source, files, kernel) {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  const made = { worker, heard: new Map() }; // by the number of the question
  made.ready = new Promise((done, failed) => {
    const fail = (message) => {
      shared = null; // the next question tries again
      worker.terminate();
      failed(new Error(message));
    };
    worker.onerror = (event) => fail(event.message || "the worker could not start");
    worker.onmessage = ({ data }) => {
      if (data.kind === "ready") done(data);
      else if (data.kind === "failed") fail(data.message);
      else tell(made.heard, data);
    };
    files().then(
      (given) => worker.postMessage({ kind: "load", files: given, kernel }),
      (error) => fail(error.message),
    );
  });
  return made;
}

// A question that another one displaced hears that it was stopped, and each is forgotten after its last message.
function tell(heard, message) {
  heard.get(message.number)?.(message);
  if (["finished", "stopped", "problem"].includes(message.kind)) heard.delete(message.number);
}

// Files that a script beside the page holds: the script calls gptossModel({…}). A script may be read from file://,
// where fetch may not.
export function filesFromScript(address) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    window.gptossModel = done;
    script.src = address;
    script.onerror = () => failed(new Error(`the model's file ${address} could not be read`));
    document.head.append(script);
  });
}
