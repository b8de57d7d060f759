// RMSNorm, the only normalisation in gpt-oss. The same in Python: gptoss_edu/norm.py.

// Divide x by its root mean square, then multiply by a learned scale: (c,) and (c,) → (c,).
export function rmsNorm(x, scale, eps) {
  const factor = 1 / Math.sqrt(meanSquare(x) + eps);
  return x.map((value, i) => value * factor * scale[i]);
}

export function meanSquare(x) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] * x[i];
  return sum / x.length;
}
