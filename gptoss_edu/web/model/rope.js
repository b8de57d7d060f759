// Rotary position embeddings, stretched to long contexts by YaRN. The same in Python: gptoss_edu/rope.py.

// Return the angular speed of each pair of a head, slowed as YaRN prescribes, and the concentration. invFreq: (d/2,)
// per position.
export function yarnInvFreq(config) {
  const { head_dim: d, rope_theta: theta, rope_scaling_factor: factor, initial_context_length: context } = config;
  const invFreq = Array.from({ length: d / 2 }, (_, i) => 1 / theta ** (i / (d / 2)));
  if (factor <= 1) return { invFreq: Float32Array.from(invFreq), concentration: 1 };
  const bound = (turns) => ((d / 2) * Math.log(context / (turns * 2 * Math.PI))) / Math.log(theta);
  const low = Math.max(bound(config.rope_ntk_beta), 0);
  const high = Math.min(bound(config.rope_ntk_alpha), d - 1);
  const ramp = (i) => Math.max(0, Math.min(1, (i - low) / Math.max(high - low, 1e-3))); // 0: keep, 1: divide by factor
  const stretched = invFreq.map((speed, i) => speed * (1 - ramp(i)) + (speed / factor) * ramp(i));
  return { invFreq: Float32Array.from(stretched), concentration: 0.1 * Math.log(factor) + 1 };
}

// cos and sin of one position's angles, times the concentration: (d/2,) each.
export function ropeCosSin(position, { invFreq, concentration }) {
  const angles = invFreq.map((speed) => position * speed); // float32, as in Python
  return {
    cos: angles.map((angle) => Math.cos(angle) * concentration),
    sin: angles.map((angle) => Math.sin(angle) * concentration),
  };
}

// Rotate pair i of each head, made of its entries i and i + d/2, in place. x: (heads · d,)
export function applyRope(x, { cos, sin }) {
  const half = cos.length;
  for (let start = 0; start < x.length; start += 2 * half)
    for (let i = 0; i < half; i++) {
      const first = x[start + i];
      const second = x[start + half + i];
      x[start + i] = first * cos[i] - second * sin[i];
      x[start + half + i] = second * cos[i] + first * sin[i];
    }
  return x;
}
