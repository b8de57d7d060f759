// Colours: ramps, contrast, and the themes that a page may wear.

export function hexToRgb(hex) {
  return [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

// 256 colours along a list of stops, as a flat table and as strings.
function makeRamp(stops) {
  const rgb = stops.map(hexToRgb);
  const table = new Uint8Array(768);
  const names = [];
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (rgb.length - 1);
    const k = Math.min(rgb.length - 2, Math.floor(place));
    const f = place - k;
    const mixed = [0, 1, 2].map((c) => Math.round(rgb[k][c] * (1 - f) + rgb[k + 1][c] * f));
    table.set(mixed, 3 * i);
    names.push("rgb(" + mixed.join(",") + ")");
  }
  return { table, names };
}

function luminance(r, g, b) {
  const f = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
}

function contrast(a, b) {
  const [low, high] = [luminance(...a), luminance(...b)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

// The colour, taken towards black or white until it has the contrast with all of the grounds.
export function strengthen(hex, grounds, least) {
  const rgb = hexToRgb(hex);
  const end = luminance(...hexToRgb(grounds[0])) > 0.18 ? 0 : 255;
  for (let f = 0; ; f = Math.min(1, f + 0.05)) {
    const mixed = rgb.map((v) => Math.round((1 - f) * v + f * end));
    if (f === 1 || grounds.every((ground) => contrast(mixed, hexToRgb(ground)) >= least))
      return "#" + mixed.map((v) => v.toString(16).padStart(2, "0")).join("");
  }
}

// A ramp without the middle greys on which neither black nor white reads at 7 : 1. Its order stays.
function withoutMiddle({ table, names }) {
  const kept = names
    .map((_, i) => i)
    .filter((i) => {
      const l = luminance(...table.slice(3 * i, 3 * i + 3));
      return l >= 0.302 || l <= 0.099;
    });
  const made = { table: new Uint8Array(768), names: [] };
  for (let i = 0; i < 256; i++) {
    const from = kept[Math.round((i / 255) * (kept.length - 1))];
    made.table.set(table.slice(3 * from, 3 * from + 3), 3 * i);
    made.names.push(names[from]);
  }
  return made;
}

// The colours of a theme; strong where the reader wants raised contrast: text at 7 : 1, lines at 4.5 : 1.
export class Theme {
  constructor(name, palette, strong = false) {
    this.name = name;
    this.strong = strong;
    this.id = name + (strong ? ", strong" : "");
    const index = name === "dark" ? 1 : 0;
    this.colors = Object.fromEntries(Object.entries(palette.colors).map(([k, v]) => [k, v[index]]));
    this.cycle = palette.cycle.map((pair) => pair[index]);
    this.ramps = Object.fromEntries(Object.entries(palette.ramps).map(([k, v]) => [k, makeRamp(v[index])]));
    this.plates = this.ramps;
    if (strong) this.strengthen();
  }
  strengthen() {
    const grounds = [this.colors.raised, this.colors.paper];
    for (const [key, hex] of Object.entries(this.colors))
      if (!grounds.includes(hex)) this.colors[key] = strengthen(hex, grounds, key === "grid" ? 4.5 : 7);
    this.cycle = this.cycle.map((hex) => strengthen(hex, grounds, 4.5));
    this.plates = Object.fromEntries(Object.entries(this.ramps).map(([k, ramp]) => [k, withoutMiddle(ramp)]));
  }
  expert(e) {
    return this.cycle[e % this.cycle.length];
  }
  ramp(name, value) {
    const i = Math.max(0, Math.min(255, Math.round(255 * (Number.isFinite(value) ? value : 0))));
    return this.ramps[name].names[i];
  }
  // The same for what carries text.
  plate(name, value) {
    const i = Math.max(0, Math.min(255, Math.round(255 * (Number.isFinite(value) ? value : 0))));
    return this.plates[name].names[i];
  }
  // Black or white, whichever reads better on this plate.
  over(name, value) {
    const i = 3 * Math.max(0, Math.min(255, Math.round(255 * (Number.isFinite(value) ? value : 0))));
    const t = this.plates[name].table;
    return luminance(t[i], t[i + 1], t[i + 2]) > 0.179 ? "#000000" : "#ffffff";
  }
}

export function fade(hex, opacity) {
  return "rgba(" + hexToRgb(hex).join(",") + "," + opacity + ")";
}

// A theme's colours, as the style sheet names them.
export function dress(node, theme) {
  for (const [key, value] of Object.entries(theme.colors)) node.style.setProperty("--" + key, value);
  node.dataset.theme = theme.name;
  node.style.colorScheme = theme.name;
}
