// Drawing: the same calls go to a canvas or into an SVG file, so that every view exports as both.

import { fade } from "./colors.js";

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
export const MONO = "ui-monospace, 'SF Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace";

export class CanvasPen {
  constructor(context) {
    this.c = context;
  }
  rect(x, y, w, h, fill, radius = 0) {
    this.c.fillStyle = fill;
    if (!radius) return this.c.fillRect(x, y, w, h);
    this.c.beginPath();
    this.c.roundRect(x, y, w, h, radius);
    this.c.fill();
  }
  frame(x, y, w, h, stroke, width = 1, radius = 0, dash = []) {
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    this.c.setLineDash(dash);
    this.c.beginPath();
    this.c.roundRect(x, y, w, h, radius);
    this.c.stroke();
    this.c.setLineDash([]);
  }
  line(points, stroke, width = 1, dash = []) {
    this.c.strokeStyle = stroke;
    this.c.lineWidth = width;
    this.c.setLineDash(dash);
    this.c.beginPath();
    points.forEach(([x, y], i) => (i ? this.c.lineTo(x, y) : this.c.moveTo(x, y)));
    this.c.stroke();
    this.c.setLineDash([]);
  }
  area(points, fill) {
    this.c.fillStyle = fill;
    this.c.beginPath();
    points.forEach(([x, y], i) => (i ? this.c.lineTo(x, y) : this.c.moveTo(x, y)));
    this.c.fill();
  }
  circle(x, y, r, fill, stroke, width = 1.5) {
    this.c.beginPath();
    this.c.arc(x, y, Math.max(0, r), 0, 2 * Math.PI);
    if (fill) {
      this.c.fillStyle = fill;
      this.c.fill();
    }
    if (stroke) {
      this.c.strokeStyle = stroke;
      this.c.lineWidth = width;
      this.c.stroke();
    }
  }
  text(text, x, y, fill, { size = 11, mono = false, align = "left", bold = false, base = "middle", turn = 0 } = {}) {
    this.c.font = (bold ? "600 " : "") + size + "px " + (mono ? MONO : FONT);
    this.c.fillStyle = fill;
    this.c.textAlign = align;
    this.c.textBaseline = base;
    if (!turn) return this.c.fillText(text, x, y);
    this.c.save();
    this.c.translate(x, y);
    this.c.rotate(turn);
    this.c.fillText(text, 0, 0);
    this.c.restore();
  }
  image(bitmap, sx, sy, sw, sh, x, y, w, h) {
    this.c.imageSmoothingEnabled = sw > 2 * w;
    this.c.drawImage(bitmap, sx, sy, sw, sh, x, y, w, h);
  }
  clip(x, y, w, h, draw) {
    this.c.save();
    this.c.beginPath();
    this.c.rect(x, y, w, h);
    this.c.clip();
    draw();
    this.c.restore();
  }
}

export class SvgPen {
  constructor() {
    this.parts = [];
    this.clips = 0;
  }
  add(tag, attributes, body = "") {
    const list = Object.entries(attributes).map(
      ([k, v]) => k + '="' + escapeXml(typeof v === "number" ? +v.toFixed(2) : v) + '"',
    );
    this.parts.push("<" + tag + " " + list.join(" ") + ">" + body + "</" + tag + ">");
  }
  rect(x, y, width, height, fill, rx = 0) {
    this.add("rect", { x, y, width: Math.max(0, width), height: Math.max(0, height), fill, rx });
  }
  frame(x, y, width, height, stroke, w = 1, rx = 0, dash = []) {
    this.add("rect", {
      x,
      y,
      width,
      height,
      fill: "none",
      stroke,
      "stroke-width": w,
      rx,
      "stroke-dasharray": dash.join(" "),
    });
  }
  line(points, stroke, w = 1, dash = []) {
    this.add("polyline", {
      points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "),
      fill: "none",
      stroke,
      "stroke-width": w,
      "stroke-dasharray": dash.join(" "),
    });
  }
  area(points, fill) {
    this.add("polygon", { points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), fill });
  }
  circle(cx, cy, r, fill, stroke, w = 1.5) {
    this.add("circle", {
      cx,
      cy,
      r: Math.max(0, r),
      fill: fill || "none",
      stroke: stroke || "none",
      "stroke-width": w,
    });
  }
  text(text, x, y, fill, { size = 11, mono = false, align = "left", bold = false, base = "middle", turn = 0 } = {}) {
    const anchor = { left: "start", center: "middle", right: "end" }[align];
    const shift = base === "middle" ? 0.35 * size : base === "top" ? 0.8 * size : 0;
    const place = turn
      ? { transform: "translate(" + x + " " + y + ") rotate(" + (turn * 180) / Math.PI + ")", y: shift }
      : { x, y: y + shift };
    this.add(
      "text",
      {
        ...place,
        fill,
        "font-size": size,
        "font-family": mono ? MONO : FONT,
        "font-weight": bold ? 600 : 400,
        "text-anchor": anchor,
      },
      escapeXml(text),
    );
  }
  image(bitmap, sx, sy, sw, sh, x, y, w, h) {
    const cut = makeCanvas(Math.max(1, Math.round(sw)), Math.max(1, Math.round(sh)));
    cut.getContext("2d").drawImage(bitmap, sx, sy, sw, sh, 0, 0, cut.width, cut.height);
    this.add("image", {
      x,
      y,
      width: w,
      height: h,
      href: cut.toDataURL("image/png"),
      preserveAspectRatio: "none",
      style: "image-rendering:pixelated",
    });
  }
  clip(x, y, width, height, draw) {
    const id = "clip" + this.clips++;
    this.parts.push(
      "<clipPath id='" +
        id +
        "'><rect x='" +
        x +
        "' y='" +
        y +
        "' width='" +
        width +
        "' height='" +
        height +
        "'/></clipPath><g clip-path='url(#" +
        id +
        ")'>",
    );
    draw();
    this.parts.push("</g>");
  }
  finish(width, height, title) {
    return (
      "<svg xmlns='http://www.w3.org/2000/svg' width='" +
      width +
      "' height='" +
      height +
      "' viewBox='0 0 " +
      width +
      " " +
      height +
      "' role='img'><title>" +
      escapeXml(title) +
      "</title>" +
      this.parts.join("") +
      "</svg>"
    );
  }
}

function escapeXml(value) {
  const clean = String(value)
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "")
    .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");
  return clean.replace(/[&<>"']/g, (c) => "&#" + c.charCodeAt(0) + ";");
}

// At most so many letters of a text, those of East Asia and emoji counted twice; no letter is cut in two.
export function cut(text, room) {
  let used = 0,
    kept = "";
  for (const letter of text) {
    used += letter < "\u1100" || (letter >= "\u1200" && letter < "\u2e80") ? 1 : 2;
    if (used > room) return (kept || letter) + "…";
    if (used < room) kept += letter;
  }
  return text;
}

export function makeCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

// The frame of the selection; with raised contrast it has a border of paper, since it may be on any colour of a ramp.
export function ring(pen, theme, x, y, w, h, width, radius = 0) {
  if (theme.strong) pen.frame(x, y, w, h, theme.colors.paper, width + 3, radius);
  pen.frame(x, y, w, h, theme.colors.ink, width, radius);
}

// The pattern of a channel, so that it does not rest on hue alone: stripes for analysis, dots for commentary.
export function voiceBar(pen, voice, x, y, w, h, theme) {
  const color = theme.colors[voice] || theme.colors.neutral;
  if (voice === "analysis") {
    pen.rect(x, y, w, h, fade(color, 0.35));
    for (let i = 0; i < w; i += 5) pen.rect(x + i, y, Math.min(2.5, w - i), h, color);
  } else if (voice === "commentary" || voice === "tool") {
    for (let i = 0.5; i < w - 1; i += 4) pen.rect(x + i, y, 2, h, color);
  } else if (voice === "final") pen.rect(x, y, w, h, color);
  else pen.rect(x, y + h - 1.5, w, 1.5, color);
}
