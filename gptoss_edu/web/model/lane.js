// A cache together with the tokens it holds, the interventions they were read under, and their trace: what a later
// question that begins alike need not read again.

import { hooksOf } from "./interventions.js";
import { Tracer } from "./trace.js";

export class Lane {
  constructor(key, model, tokenizer, cache, { interventions, level, heads }) {
    Object.assign(this, { key, model, cache, interventions });
    cache.length = 0;
    this.tokens = [];
    this.tracer = level === "none" ? null : new Tracer(model, tokenizer, { interventions, level, heads });
    this.hooks = this.tracer ? null : hooksOf(interventions, model.config);
  }

  // How many tokens need not be read again. The last common one does, as the logits after it are not kept.
  shared(tokens) {
    let common = 0;
    while (common < tokens.length && tokens[common] === this.tokens[common]) common++;
    return Math.max(0, common - 1);
  }

  // Whether it holds these tokens, read under these interventions.
  holds(tokens, interventions) {
    return (
      JSON.stringify(interventions) === JSON.stringify(this.interventions) &&
      tokens.every((id, i) => id === this.tokens[i])
    );
  }

  // Forget what does not begin like `tokens`; gives the position to read on from.
  begin(tokens) {
    const kept = this.shared(tokens);
    this.cache.length = this.tokens.length = kept;
    this.tracer?.truncate(kept);
    return kept;
  }

  // Read a token; return the logits of the next.
  forward(id) {
    const logits = this.tracer
      ? this.tracer.forward(id, this.cache)
      : this.model.forward(id, this.cache, { hooks: this.hooks });
    this.tokens.push(id);
    return logits;
  }
}
