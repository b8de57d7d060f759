// Search while typing: sections with an excerpt, from an index beside the pages; nothing is asked of a network.
(function () {
  const IDLE = new Set("a an and are at can do does for from how i in is it of on one or the there this to what when where which why with".split(" "));
  const MOST = 12;
  let index = null;
  const up = () => document.body.dataset.up;

  function load() {
    index ??= new Promise((done, failed) => {
      window.gptossIndex = ({ pages, sections }) => {
        const parts = sections.map(([page, anchor, title, text], number) => ({
          page: pages[page],
          first: !number || sections[number - 1][0] !== page,
          anchor,
          title,
          text,
          low: text.toLowerCase(),
          head: title.toLowerCase(),
          whole: pages[page][1].toLowerCase(),
        }));
        done(parts);
      };
      const script = document.createElement("script");
      script.src = up() + "_static/search-index.js";
      script.onerror = failed;
      document.head.append(script);
    });
    return index;
  }

  const words = (query) => {
    const all = query.toLowerCase().split(/[^\p{L}\p{N}_.@-]+/u).map((word) => word.replace(/^[.-]+|[.?-]+$/g, "")).filter(Boolean);
    const telling = all.filter((word) => !IDLE.has(word));
    return telling.length ? telling : all;
  };
  const stem = (word) => (word.length > 4 ? word.replace(/(ies|es|s)$/, "") : word);
  // How often a word begins something in a text.
  const starts = (text, word) => {
    let count = 0;
    for (let at = text.indexOf(word); at >= 0 && count < 12; at = text.indexOf(word, at + word.length))
      if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1])) count++;
    return count;
  };

  function score(part, asked, rare) {
    let sum = 0;
    for (const word of asked) {
      const inText = starts(part.low, word);
      const inHead = starts(part.head, word);
      const inWhole = starts(part.whole, word);
      if (!inText && !inHead && !inWhole) return 0;
      const tf = inText / (inText + 1 + part.low.length / 1500);
      sum += rare.get(word) * (2 * tf + 2 * Math.min(1, inHead) + 1.5 * Math.min(1, inWhole));
    }
    const phrase = asked.join(" ");
    if (asked.length > 1 && part.low.includes(phrase)) sum *= 1.25;
    if (part.head.includes(phrase)) sum *= part.first ? 2 : 1.4;
    else if (part.whole.includes(phrase)) sum *= 1.3;
    return part.page[0].startsWith("chapters/") ? sum * 1.3 : sum;
  }

  async function find(query) {
    const parts = await load();
    const asked = [...new Set(words(query).map(stem))];
    if (!asked.length) return [];
    const rare = new Map(
      asked.map((word) => {
        const having = parts.filter((part) => part.low.includes(word) || part.head.includes(word)).length;
        return [word, Math.log(1 + parts.length / (1 + having))];
      }),
    );
    const scored = parts.map((part) => [score(part, asked, rare), part]).filter(([value]) => value > 0);
    scored.sort((a, b) => b[0] - a[0]);
    return scored.slice(0, MOST).map(([, part]) => ({ part, asked }));
  }

  function excerpt({ text, low }, asked) {
    const at = Math.max(0, ...asked.slice(0, 1).map((word) => low.indexOf(word)));
    const start = at < 70 ? 0 : text.indexOf(" ", at - 70) + 1;
    const shown = (start ? "… " : "") + text.slice(start, start + 180) + (text.length > start + 180 ? " …" : "");
    const node = document.createElement("span");
    node.className = "excerpt";
    const escaped = asked.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    for (const piece of shown.split(new RegExp(`(${escaped.join("|")})`, "i"))) {
      if (asked.includes(piece.toLowerCase())) node.append(Object.assign(document.createElement("mark"), { textContent: piece }));
      else node.append(piece);
    }
    return node;
  }

  function line({ part, asked }) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${up()}${part.page[0]}${part.first ? "" : "#" + part.anchor}`;
    const span = (name, text) => Object.assign(document.createElement("span"), { className: name, textContent: text });
    link.append(span("where", part.page[1]), span("what", part.title || part.page[1]), excerpt(part, asked));
    item.append(link);
    return item;
  }

  // `field` is where the reader types; `list` is filled. `said` tells how many there are.
  function serve(field, list, said) {
    let latest = 0;
    const run = async () => {
      const mine = ++latest;
      const found = await find(field.value);
      if (mine !== latest) return;
      list.replaceChildren(...found.map(line));
      said.textContent = field.value.trim() ? (found.length ? `${found.length} places` : "Nothing was found.") : "";
    };
    field.addEventListener("input", run);
    field.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") list.querySelector("a")?.focus(), event.preventDefault();
      if (event.key === "Enter" && list.querySelector("a")) (location.href = list.querySelector("a").href), event.preventDefault();
    });
    list.addEventListener("keydown", (event) => {
      const links = [...list.querySelectorAll("a")];
      const next = links.indexOf(document.activeElement) + { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (Number.isNaN(next)) return;
      event.preventDefault();
      (links[next] ?? field).focus();
    });
    if (field.value) run();
  }

  document.addEventListener("DOMContentLoaded", function () {
    const made = (tag, attributes) => Object.assign(document.createElement(tag), attributes);
    for (const form of document.querySelectorAll("form.bd-search")) {
      const field = form.querySelector("input[type=search]");
      if (!field) continue;
      form.addEventListener("submit", (event) => event.preventDefault());
      field.autocomplete = "off";
      const said = made("p", { className: "visually-hidden" });
      said.setAttribute("role", "status");
      const results = document.querySelector("#search-results");
      const own = results && !form.closest("dialog");
      const list = made("ul", { className: "found" });
      if (own) results.replaceChildren(list);
      else form.after(list);
      form.after(said);
      const asked = new URLSearchParams(location.search).get("q");
      if (own && asked) field.value = asked;
      serve(field, list, said);
    }
  });
})();
