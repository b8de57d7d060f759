// From logits to a token id. The same in Python: gptoss_edu/generation.py, and torch's random numbers, so that one seed
// gives the same text here and there.

// The distribution that the next token is drawn from: (v,) → (v,). temperature 0: all mass on the largest logit;
// topP keeps the smallest set of likeliest tokens whose probability reaches it.
export function nextTokenProbabilities(logits, temperature = 1, topP = 1) {
  if (temperature === 0) {
    const out = new Float32Array(logits.length);
    out[largest(logits, 1).ids[0]] = 1;
    return out;
  }
  const probabilities = softmax(logits, temperature);
  if (topP >= 1) return probabilities;
  const order = [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a]);
  const out = new Float32Array(logits.length);
  let before = 0; // mass of the likelier tokens
  for (const id of order) {
    if (before >= topP) break;
    out[id] = probabilities[id];
    before += probabilities[id];
  }
  return out.map((p) => p / before);
}

// The token id at which the cumulative distribution passes a draw from 0 to 1.
export function pickToken(probabilities, draw) {
  let total = 0;
  let sum = 0;
  let id = 0;
  for (const p of probabilities) total += p;
  while (id < probabilities.length - 1 && (sum += probabilities[id]) <= draw * total) id++;
  return id;
}

export function softmax(logits, temperature = 1) {
  let most = -Infinity;
  let sum = 0;
  for (const logit of logits) if (logit > most) most = logit;
  const out = new Float32Array(logits.length);
  for (let i = 0; i < out.length; i++) sum += out[i] = Math.exp((logits[i] - most) / temperature);
  for (let i = 0; i < out.length; i++) out[i] /= sum;
  return out;
}

// The n largest values and where they stand, falling.
export function largest(values, n) {
  const ids = [];
  const best = [];
  for (let i = 0; i < values.length; i++) {
    if (best.length === n && !(values[i] > best[n - 1])) continue;
    let at = best.length;
    while (at > 0 && best[at - 1] < values[i]) at--;
    best.splice(at, 0, values[i]);
    ids.splice(at, 0, i);
    if (best.length > n) (best.pop(), ids.pop());
  }
  return { ids, values: best };
}

// torch.rand of a generator with this seed, draw after draw: the Mersenne Twister MT19937, 24 bits per draw.
// Source: Matsumoto and Nishimura 1998, "Mersenne Twister".
export class Random {
  constructor(seed = 0) {
    this.state = new Uint32Array(624);
    this.state[0] = Number(BigInt.asUintN(32, BigInt(seed)));
    for (let i = 1; i < 624; i++) {
      const last = this.state[i - 1];
      this.state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
    this.used = 624;
  }

  draw() {
    if (this.used === 624) this.twist();
    let y = this.state[this.used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    y ^= y >>> 18;
    return (y & 0xffffff) / 0x1000000;
  }

  twist() {
    const { state } = this;
    for (let i = 0; i < 624; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.used = 0;
  }
}
