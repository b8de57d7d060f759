// The checkpoint's bytes: safetensors in the layout of the released `original/` files, its experts in MXFP4.
// The same formats in Python: gptoss_edu/checkpoint/ and gptoss_edu/mxfp4.py.

// safetensors: the header's length (8 bytes), the header (JSON), the tensors' bytes.
export function readHeader(bytes) {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const { __metadata__, ...entries } = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)));
  return { entries, start: 8 + length };
}

// Name → {shape, data}. `kernels` says where numbers lie: in arrays of their own, or all in one WebAssembly memory.
export function readTensors(bytes, { entries, start }, kernels) {
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: place }] of Object.entries(entries)) {
    const [from, to] = place;
    const raw = bytes.subarray(start + from, start + to);
    if (dtype === "U8") tensors[name] = { shape, data: kernels.bytes(raw) };
    else if (dtype === "BF16") tensors[name] = { shape, data: fromBfloat16(raw, kernels.floats(raw.length / 2)) };
    else if (dtype === "F32") tensors[name] = { shape, data: fromFloat32(raw, kernels.floats(raw.length / 4)) };
    else throw new Error(`tensor ${name}: expected BF16, F32 or U8, found ${dtype}; write the checkpoint again.`);
  }
  return tensors;
}

// Bytes that `readTensors` takes in one memory, where each tensor begins at a multiple of 16.
export function tensorBytes({ entries }) {
  const size = ({ dtype, data_offsets: [from, to] }) => (to - from) * (dtype === "BF16" ? 2 : 1);
  return Object.values(entries).reduce((sum, entry) => sum + 16 * Math.ceil(size(entry) / 16), 0);
}

// bfloat16 is the upper half of float32.
function fromBfloat16(raw, out) {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = ((raw[2 * i + 1] << 8) | raw[2 * i]) << 16;
  return out;
}

function fromFloat32(raw, out) {
  new Uint8Array(out.buffer, out.byteOffset, raw.length).set(raw);
  return out;
}

// ---- MXFP4: 32 four-bit values share one power of two ------------------------------------------------------------

export const BLOCK = 32;
const MAGNITUDES = [0, 0.5, 1, 1.5, 2, 3, 4, 6]; // e2m1: the codes 0 to 7; codes 8 to 15 are negative
export const VALUES = Float32Array.from([...MAGNITUDES, ...MAGNITUDES.map((value) => -value)]);
const scaleFactor = (byte) => (byte === 255 ? NaN : 2 ** (byte - 127)); // e8m0
export const FACTORS = Float32Array.from({ length: 256 }, (_, byte) => scaleFactor(byte));
export const LOW = Float32Array.from({ length: 256 }, (_, byte) => VALUES[byte & 15]); // a byte's earlier weight
export const HIGH = Float32Array.from({ length: 256 }, (_, byte) => VALUES[byte >> 4]); // its later one

// blocks (16 G bytes) and scales (G bytes) → 32 G weights.
export function unpack(blocks, scales, out = new Float32Array(BLOCK * scales.length)) {
  for (let group = 0, i = 0; group < scales.length; group++)
    for (const stop = i + BLOCK / 2; i < stop; i++) {
      out[2 * i] = LOW[blocks[i]] * FACTORS[scales[group]];
      out[2 * i + 1] = HIGH[blocks[i]] * FACTORS[scales[group]];
    }
  return out;
}
