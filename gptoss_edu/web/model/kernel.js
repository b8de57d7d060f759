// Matrix times vector, twice: in plain JavaScript, and by the WebAssembly of kernel.wat. Both give the same answer.
// `floats` and `bytes` give out the places where weights lie; WebAssembly needs them all in one memory.

import { BLOCK, FACTORS, HIGH, LOW } from "./checkpoint.js";

export function plainKernels() {
  return {
    name: "plain JavaScript",
    floats: (count) => new Float32Array(count),
    bytes: (data) => data,
    linear,
    linearMxfp4,
  };
}

// out = weight x + bias: weight (out.length, x.length), row after row.
function linear(out, weight, x, bias) {
  const columns = x.length;
  const even = columns - (columns % 4);
  for (let row = 0, i = 0; row < out.length; row++) {
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    let j = 0;
    for (; j < even; j += 4, i += 4) {
      a += weight[i] * x[j];
      b += weight[i + 1] * x[j + 1];
      c += weight[i + 2] * x[j + 2];
      d += weight[i + 3] * x[j + 3];
    }
    for (; j < columns; j++, i++) a += weight[i] * x[j];
    out[row] = a + b + (c + d) + (bias ? bias[row] : 0);
  }
  return out;
}

// The same straight from MXFP4: a byte is two weights, 16 bytes share a factor.
function linearMxfp4(out, { blocks, scales }, x, bias) {
  for (let row = 0, i = 0, group = 0; row < out.length; row++) {
    let sum = 0;
    for (let j = 0; j < x.length; group++) {
      let even = 0;
      let odd = 0;
      for (const stop = i + BLOCK / 2; i < stop; i++, j += 2) {
        even += LOW[blocks[i]] * x[j];
        odd += HIGH[blocks[i]] * x[j + 1];
      }
      sum += (even + odd) * FACTORS[scales[group]];
    }
    out[row] = sum + (bias ? bias[row] : 0);
  }
  return out;
}

// kernel.wat, assembled; a test assembles it again and compares.
export const KERNEL = [
  "AGFzbQEAAAABFQJgBn9/f39/fwBgCH9/f39/f39/AAIOAQJqcwZtZW1vcnkCAAEDAwIAAQcZAgZsaW5lYXIAAAxsaW5lYXJfbXhmcDQAAQr2BQ",
  "LNAQIDfwJ7IAAgBEECdGohBiACIAVBAnRqIQcDQP0MAAAAAAAAAAAAAAAAAAAAACEJ/QwAAAAAAAAAAAAAAAAAAAAAIQogAiEIA0AgCSAB/QAE",
  "ACAI/QAEAP3mAf3kASEJIAogAf0ABBAgCP0ABBD95gH95AEhCiABQSBqIQEgCEEgaiEIIAggB0kNAAsgCSAK/eQBIQkgACADKgIAIAn9HwAgCf",
  "0fAZIgCf0fAiAJ/R8DkpKSOAIAIANBBGohAyAAQQRqIQAgACAGSQ0ACwukBAIDfwh7/QwAAQIDBAYIDAD//v38+vj0IQsgACAGQQJ0aiEIIAQg",
  "B0ECdGohCQNA/QwAAAAAAAAAAAAAAAAAAAAAIRIgBCEKA0AgAf0ABAAhDCALIAxBBP1t/Q4hDSALIAz9DA8PDw8PDw8PDw8PDw8PDw/9Tv0OIQ",
  "wgDCAN/Q0AEAERAhIDEwQUBRUGFgcXIQ4gDCAN/Q0IGAkZChoLGwwcDR0OHg8fIQ/9DAAAAAAAAAAAAAAAAAAAAAAhEP0MAAAAAAAAAAAAAAAA",
  "AAAAACERIA79hwEhDCAO/YgBIQ0gECAK/QAEACAM/acB/foB/eYB/eQBIRAgESAK/QAEECAM/agB/foB/eYB/eQBIREgECAK/QAEICAN/acB/f",
  "oB/eYB/eQBIRAgESAK/QAEMCAN/agB/foB/eYB/eQBIREgD/2HASEMIA/9iAEhDSAQIAr9AARAIAz9pwH9+gH95gH95AEhECARIAr9AARQIAz9",
  "qAH9+gH95gH95AEhESAQIAr9AARgIA39pwH9+gH95gH95AEhECARIAr9AARwIA39qAH9+gH95gH95AEhESASIBAgEf3kASADIAItAABBAnRq/Q",
  "kCAP3mAf3kASESIAFBEGohASACQQFqIQIgCkGAAWohCiAKIAlJDQALIAAgBSoCACAS/R8AIBL9HwGSIBL9HwIgEv0fA5KSkjgCACAFQQRqIQUg",
  "AEEEaiEAIAAgCEkNAAsL",
].join("");

// `size`: bytes of all that `floats` and `bytes` will be asked for; `widest`: most entries of an x or an out.
// Throws where WebAssembly, or its vectors, are missing or forbidden.
export function wasmKernels(size, widest) {
  const total = size + 3 * (4 * widest + 16) + 4 * FACTORS.length;
  const memory = new WebAssembly.Memory({ initial: Math.ceil(total / 65536) });
  const code = Uint8Array.from(atob(KERNEL), (letter) => letter.charCodeAt(0));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { js: { memory } });
  let next = 0;
  const place = (Kind, count) => {
    const array = new Kind(memory.buffer, next, count);
    next += 16 * Math.ceil(array.byteLength / 16);
    return array;
  };
  const copy = (Kind, data) => {
    const array = place(Kind, data.length);
    array.set(data);
    return array;
  };
  const half = FACTORS.map((factor) => factor / 2);
  const halves = copy(Float32Array, half).byteOffset;
  const [xs, outs, zeros] = [place(Float32Array, widest), place(Float32Array, widest), place(Float32Array, widest)];
  const run = (out, x, bias, product) => {
    xs.set(x);
    product(outs.byteOffset, xs.byteOffset, (bias ?? zeros).byteOffset, out.length, x.length);
    out.set(outs.subarray(0, out.length));
    return out;
  };
  return {
    name: "WebAssembly",
    floats: (count) => place(Float32Array, count),
    bytes: (data) => copy(Uint8Array, data),
    linear: (out, weight, x, bias) => {
      if (x.length % 8) return linear(out, weight, x, bias);
      return run(out, x, bias, (o, i, b, rows, columns) => exports.linear(o, weight.byteOffset, i, b, rows, columns));
    },
    linearMxfp4: (out, { blocks, scales }, x, bias) =>
      run(out, x, bias, (o, i, b, rows, columns) =>
        exports.linear_mxfp4(o, blocks.byteOffset, scales.byteOffset, halves, i, b, rows, columns),
      ),
  };
}
