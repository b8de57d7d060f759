// Making elements. They are only ever made here, and text is only ever set as text.

export function el(tag, attributes = {}, text) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = String(text);
  return node;
}

export function button(text, label, action) {
  const node = el("button", { type: "button", "aria-label": label, title: label }, text);
  node.addEventListener("click", action);
  return node;
}

export function select(label, options, value, action) {
  const box = el("label", { class: "choice" }, label + " ");
  const node = el("select");
  for (const [key, name] of options) node.append(el("option", { value: key }, name));
  node.value = value;
  node.addEventListener("change", () => action(node.value));
  box.append(node);
  box.node = node;
  return box;
}

export function pick(object, names) {
  return Object.fromEntries(Object.entries(object).filter(([k, v]) => names.includes(k) && v !== null));
}
