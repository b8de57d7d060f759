// Talking with the model: answer, trace, change and compare, and stop when something else is asked.
// It knows neither worker nor page: `emit(message, transfer)` takes what there is to tell; worker.js passes it on.

import { finalText, questionConversation, render } from "./harmony.js";
import { stopTokens } from "./harmony_control.js";
import { StreamParser } from "./harmony_stream.js";
import { Lane } from "./lane.js";
import { lookAt } from "./look.js";
import { nextTokenProbabilities, pickToken, Random } from "./sampling.js";
import { Tokenizer } from "./tokenizer.js";
import { contextOf, loadModel } from "./transformer.js";

const LANES = 2; // one for the model as it is, one for the model as it was last changed
const TURN = 25; // milliseconds of work between two looks at what else is asked

class Stopped extends Error {}

export class Session {
  // files: {name, config, ranks, meta, weights}, the weights as bytes; kernel as in loadModel.
  constructor({ name, config, ranks, meta, weights }, emit, kernel = "auto") {
    this.model = loadModel(config, weights, kernel, LANES);
    this.model.name = name ?? meta.name;
    this.tokenizer = new Tokenizer(ranks, meta);
    this.emit = emit;
    this.lanes = []; // the last one used first
    this.turn = null; // the request being answered
    this.rested = 0;
  }

  stop() {
    this.turn = null;
  }

  // Answer under the interventions `a` (A); where `b` lists others, answer again under these (B), and read A's text
  // under B. Tells of start, token, inside, done, and then finished (with the traces), stopped or problem; each message
  // carries the request's `number`.
  async ask(request) {
    this.turn = request;
    const { a = [], b = null, names = ["A", "B"], level = "full" } = request;
    try {
      const prompt = this.prompt(request);
      const first = await this.answer(prompt, request, a, "A");
      const runs = level === "none" ? [] : [await this.traced(first, names[0], request)];
      if (b) {
        await this.answer(prompt, request, b, "B");
        if (level !== "none") {
          const lane = this.lane(b, request);
          await this.prefill(lane, first.tokens.slice(), request);
          runs.push(await this.traced(lane, names[1], request));
        }
      }
      const buffers = runs.map((run) => run.buffer);
      this.tell(request, { kind: "finished", runs }, buffers);
    } catch (error) {
      this.fail(request, error);
    }
  }

  fail(request, error) {
    this.tell(request, error instanceof Stopped ? { kind: "stopped" } : { kind: "problem", message: error.message });
  }

  // One of `tokens` looked at closely, inside `layer` too: what look.js gives. Where a lane holds the tokens, nothing is
  // read again, and an answer that is being written goes on.
  async look(request) {
    const { tokens, position, layer = null, a = [] } = request;
    const read = tokens.slice(0, position + 1);
    try {
      let lane = this.lanes.find((one) => one.holds(read, a));
      if (!lane) {
        this.turn = request;
        lane = this.lane(a, { level: "none" });
        await this.prefill(lane, read, request);
      }
      this.tell(request, { kind: "finished", look: lookAt(lane, position, layer, (id) => this.shown(id)) });
    } catch (error) {
      this.fail(request, error);
    }
  }

  prompt({ tokens, conversation, question, effort, instructions }) {
    return tokens ?? render(conversation ?? questionConversation(question, effort, instructions), this.tokenizer);
  }

  tell({ number }, message, transfer = []) {
    this.emit({ number, ...message }, transfer);
  }

  // The prompt, then one token after the other until a stop token. Gives the lane, which then holds all of it.
  async answer(prompt, request, interventions, side) {
    const { temperature = 0, topP = 1, seed = 0, maxNewTokens = 512, stops = stopTokens(this.tokenizer) } = request;
    const room = Math.min(maxNewTokens, contextOf(this.model.config) - prompt.length);
    if (room < 1)
      throw new Error(`the question takes ${prompt.length} tokens, and no room is left for an answer; shorten it.`);
    const lane = this.lane(interventions, request);
    const parser = new StreamParser(this.tokenizer, { strict: false, role: "assistant" });
    const random = new Random(seed);
    const started = performance.now();
    const ms = () => performance.now() - started;
    const shown = prompt.map((id) => this.shown(id));
    this.tell(request, { kind: "start", side, tokens: shown, reused: lane.shared(prompt) });
    let logits = await this.prefill(lane, prompt, request, side);
    const prefill = ms();
    const answer = [];
    while (answer.length < room && !stops.includes(answer.at(-1))) {
      const id = pickToken(nextTokenProbabilities(logits, temperature, topP), random.draw());
      const text = parser.process(id);
      const { channel = null, recipient = null } = parser.header ?? {};
      answer.push(id);
      const told = { ...this.shown(id), content: text, channel, recipient, ms: ms() };
      this.tell(request, { kind: "token", side, ...told });
      logits = await this.step(lane, id, request, side);
    }
    const final = finalText(answer, this.tokenizer);
    const told = { complete: stops.includes(answer.at(-1)), final, tokens: answer, prompt: prompt.length };
    this.tell(request, { kind: "done", side, ...told, ms: ms(), prefill });
    return lane;
  }

  // Read what the lane does not hold yet; gives the logits after the last token.
  async prefill(lane, tokens, request, side = null) {
    let logits;
    for (let i = lane.begin(tokens); i < tokens.length; i++) logits = await this.step(lane, tokens[i], request, side);
    return logits;
  }

  async step(lane, id, request, side) {
    const logits = lane.forward(id);
    const layers = side && request.live !== false ? lane.tracer?.newest() : null;
    if (layers) this.tell(request, { kind: "inside", side, at: lane.tokens.length - 1, layers });
    await this.rest(request);
    return logits;
  }

  async traced(lane, name, request) {
    await this.rest(request, true);
    return lane.tracer.result(name);
  }

  // Now and then, see whether somebody stopped this or asked something else.
  async rest(request, now = false) {
    if (now || performance.now() - this.rested > TURN) {
      await breathe();
      this.rested = performance.now();
    }
    if (this.turn !== request) throw new Stopped();
  }

  // The lane of these interventions at this level of tracing, or the one that was left alone longest, emptied.
  lane(interventions, { level = "full", heads = [] }) {
    const key = JSON.stringify([interventions, level, heads]);
    const found = this.lanes.findIndex((lane) => lane.key === key);
    if (found >= 0) this.lanes.unshift(...this.lanes.splice(found, 1));
    else {
      const cache = this.lanes.length < LANES ? this.model.newCache() : this.lanes.pop().cache;
      this.lanes.unshift(new Lane(key, this.model, this.tokenizer, cache, { interventions, level, heads }));
    }
    return this.lanes[0];
  }

  shown(id) {
    const name = this.tokenizer.names[id];
    return { id, text: name ?? this.tokenizer.decode([id]), control: name !== undefined };
  }
}

// Lets messages that wait be read. A timer would do, and cost four milliseconds each time.
function breathe() {
  return new Promise((done) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      done();
    };
    port2.postMessage(null);
  });
}
