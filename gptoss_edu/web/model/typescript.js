// Tool schemas as TypeScript-like types, line by line. The same in Python: gptoss_edu/harmony/typescript.py.
// JSON arrives parsed, so 1.0 is 1 here; numbers are written as serde_json writes them.

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const get = (schema, key) => (isObject(schema) && Object.hasOwn(schema, key) ? schema[key] : undefined);
const strings = (list) => (Array.isArray(list) ? list.filter((value) => typeof value === "string") : []);
const textAt = (schema, key) => (typeof get(schema, key) === "string" ? schema[key] : undefined);

// The type of one JSON Schema; `indent` stands before every line of an object's body.
export function typescript(schema, indent = "") {
  const variants = get(schema, "oneOf");
  const kind = get(schema, "type");
  if (Array.isArray(variants)) return variants.map((variant) => topLevelVariant(variant, indent)).join("");
  if (Array.isArray(kind)) {
    const names = strings(kind).map((name) => (name === "integer" ? "number" : name));
    return names.join(" | ") || "any";
  }
  if (kind === "object") return objectType(schema, indent);
  if (kind === "string") {
    const quoted = strings(get(schema, "enum")).map((value) => `"${value}"`);
    return quoted.join(" | ") || "string";
  }
  if (kind === "array")
    return get(schema, "items") === undefined ? "Array<any>" : typescript(schema.items, indent) + "[]";
  return { number: "number", integer: "number", boolean: "boolean" }[typeof kind === "string" ? kind : ""] ?? "any";
}

function orNull(schema, written) {
  return get(schema, "nullable") === true && !written.includes("null") ? written + " | null" : written;
}

// "default: …"; a string is quoted, unless it is one of an enum's (where bareEnum says so).
function defaultOf(schema, bareEnum = true) {
  const value = get(schema, "default");
  const values = get(schema, "enum");
  if (value === undefined) return undefined;
  if (typeof value === "string") {
    if (!(Array.isArray(values) && values.length)) return `default: "${value}"`; // not escaped: a comment, not JSON
    if (bareEnum) return `default: ${value}`;
  }
  return `default: ${compactJson(value)}`;
}

function topLevelVariant(variant, indent) {
  const written = orNull(variant, typescript(variant, indent + "   "));
  const comments = [textAt(variant, "description"), defaultOf(variant, false)].filter((text) => text !== undefined);
  return `\n${indent} | ${written}` + (comments.length ? ` // ${comments.join(" ")}` : "");
}

function objectType(schema, indent) {
  const description = textAt(schema, "description");
  const properties = get(schema, "properties");
  const listed = get(schema, "required");
  const required = Array.isArray(listed) ? listed : [];
  const out = [description === undefined ? "" : `${indent}// ${description}\n`, "{\n"];
  for (const [name, value] of isObject(properties) ? Object.entries(properties) : []) {
    const key = `${indent}${name}${required.includes(name) ? "" : "?"}:`;
    out.push(
      propertyComments(value, indent),
      Array.isArray(get(value, "oneOf")) ? unionProperty(key, value, indent) : plainProperty(key, value, indent),
    );
  }
  return out.join("") + indent + "}";
}

function propertyComments(value, indent) {
  const lines = [];
  const title = textAt(value, "title");
  const description = textAt(value, "description");
  const examples = get(value, "examples") ?? [];
  if (title !== undefined) lines.push(title, null);
  if (get(value, "oneOf") === undefined && description !== undefined) lines.push(description);
  if (Array.isArray(examples) && examples.length)
    lines.push("Examples:", ...strings(examples).map((example) => `- "${example}"`));
  return lines.map((line) => (line === null ? `${indent}//\n` : `${indent}// ${line}\n`)).join("");
}

function plainProperty(key, value, indent) {
  const written = `${key} ${orNull(value, typescript(value, indent + "    "))},`;
  const comment = get(value, "oneOf") === undefined ? defaultOf(value) : undefined;
  return written + (comment ? ` // ${comment}\n` : "\n");
}

// A property with `oneOf`: a variant per line. Its description is shown once, above or at the first variant.
function unionProperty(key, value, indent) {
  const variants = value.oneOf;
  const description = textAt(value, "description");
  const comment = defaultOf(value);
  const above = description !== undefined && !(variants.length && textAt(variants[0], "description") === description);
  const out = [
    above ? `${indent}// ${description}\n` : "",
    comment === undefined ? "" : `${indent}// ${comment}\n`,
    `${key}\n`,
  ];
  variants.forEach((variant, i) => {
    const own = textAt(variant, "description");
    const shown = (i === 0 && above) || own === description ? undefined : own;
    const comments = [shown, defaultOf(variant)].filter((text) => text !== undefined);
    out.push(
      `${indent} | ${orNull(variant, typescript(variant, indent + "   "))}`,
      comments.length ? ` // ${comments.join(" ")}\n` : "\n",
    );
  });
  return out.join("") + `${indent},\n`;
}

// JSON without spaces, numbers as serde_json writes them: 1e-5 is 0.00001, 1e+16 is 1e16.
export function compactJson(value) {
  if (Array.isArray(value)) return `[${value.map(compactJson).join(",")}]`;
  if (isObject(value))
    return `{${Object.entries(value)
      .map(([key, item]) => `${compactJson(key)}:${compactJson(item)}`)
      .join(",")}}`;
  return typeof value === "number" ? numberText(value) : JSON.stringify(value);
}

function numberText(value) {
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", "");
  const point = Number(exponent) + 1;
  const sign = value < 0 ? "-" : "";
  if (Number.isSafeInteger(value)) return Object.is(value, -0) ? "-0.0" : String(value);
  if (point > -5 && point <= 0) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point > 0 && point <= 16)
    return `${sign}${digits.slice(0, point).padEnd(point, "0")}.${digits.slice(point) || "0"}`;
  return `${sign}${digits[0]}${digits.length > 1 ? "." + digits.slice(1) : ""}e${point - 1}`;
}
