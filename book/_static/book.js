// For screen readers and keyboards: folds and the search button say their visible words, wide things can be scrolled.
(function () {
  function fit() {
    for (const element of document.querySelectorAll("article summary[aria-label], .search-button-field[aria-label]")) {
      element.removeAttribute("aria-label");
    }
    for (const formula of document.querySelectorAll("span.math")) {
      formula.classList.remove("wide");
      formula.classList.toggle("wide", formula.getBoundingClientRect().width > formula.parentElement.clientWidth + 1);
    }
    for (const wide of document.querySelectorAll("span.math.wide, div.math:not([tabindex]), .cell_output pre:not([tabindex]), .drawn:not([tabindex])")) {
      if (wide.scrollWidth > wide.clientWidth + 1) wide.tabIndex = 0;
    }
  }
  document.addEventListener("DOMContentLoaded", function () {
    fit();
    window.addEventListener("resize", fit);
    for (const image of document.querySelectorAll("img:not([alt])")) image.alt = "Figure drawn by the cell above";
  });
  // On paper everything is open and light.
  window.addEventListener("beforeprint", () => {
    const root = document.documentElement;
    if (root.dataset.theme === "dark") [root.dataset.theme, root.dataset.printed] = ["light", "dark"];
    for (const fold of document.querySelectorAll("article details:not([open])")) fold.dataset.printed = fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    const root = document.documentElement;
    if (root.dataset.printed) root.dataset.theme = root.dataset.printed;
    delete root.dataset.printed;
    for (const fold of document.querySelectorAll("details[data-printed]")) fold.open = false;
  });
})();

// Predictions: a choice is kept in this browser, opens how it came out, and can be taken back.
(function () {
  const KEY = "gptoss-predictions";
  const read = () => {
    try {
      return JSON.parse(localStorage.getItem(KEY)) || {};
    } catch {
      return {};
    }
  };
  const write = (kept) => {
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // a browser that keeps nothing still shows the outcome
    }
  };

  function show(card, choice) {
    const name = card.dataset.prediction;
    for (const button of card.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.choice === choice));
    }
    const outcomes = document.querySelectorAll(`[data-outcome="${name}"]`);
    for (const outcome of outcomes) {
      const fold = outcome.closest("details");
      if (fold) fold.open = Boolean(choice);
      outcome.querySelector(".said").textContent = choice ? `; you chose ${choice}` : "";
      outcome.dataset.right = choice ? (choice === outcome.dataset.answer ? "yes" : "no") : "";
    }
    const note = card.querySelector(".note"), { opens } = card.dataset;
    if (!choice) note.textContent = `Choose before you read on; ${opens} then opens below.`;
    else if (outcomes.length) note.innerHTML = `You chose ${choice}. <a href="#">Take it back</a>; ${opens} stands open below.`;
    else note.innerHTML = `You chose ${choice}. <a href="#">Take it back</a>; a later chapter tells how it came out.`;
    if (choice && outcomes.length) outcomes[0].id ||= `outcome-${name.replaceAll(".", "-")}`;
  }

  document.addEventListener("DOMContentLoaded", function () {
    for (const card of document.querySelectorAll(".predict")) {
      const name = card.dataset.prediction;
      const set = (choice) => {
        const kept = read();
        if (choice) kept[name] = choice;
        else delete kept[name];
        write(kept);
        show(card, choice);
      };
      card.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button) set(button.dataset.choice);
        if (event.target.matches(".note a")) {
          event.preventDefault();
          set(null);
          card.querySelector("button").focus();
        }
      });
      const kept = read()[name];
      if (kept) show(card, kept);
    }
  });
})();

// A card at a link to the glossary or to a chapter: what the term means, what the chapter builds.
(function () {
  let terms = null, card = null, timer = 0;
  const up = () => document.body.dataset.up;
  function load() {
    terms ??= new Promise((done) => {
      window.gptossTerms = done;
      const script = document.createElement("script");
      script.src = up() + "_static/terms.js";
      document.head.append(script);
    });
    return terms;
  }
  function hide() {
    clearTimeout(timer);
    if (card) card.remove();
    card = null;
  }
  async function show(link) {
    const here = new URL(up() || "./", location.href).href;
    const address = link.href.replace(here, "");
    const text = (await load())[address] || (await load())[address.split("#")[0]];
    if (!text || !link.matches(":hover, :focus")) return;
    hide();
    card = document.createElement("div");
    card.className = "hover-card";
    card.setAttribute("role", "tooltip");
    card.id = "hover-card";
    card.textContent = text;
    document.body.append(card);
    link.setAttribute("aria-describedby", card.id);
    const box = link.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, document.documentElement.clientWidth - card.offsetWidth - 8));
    const below = box.bottom + card.offsetHeight + 12 < window.innerHeight;
    const top = below ? box.bottom + 6 : box.top - card.offsetHeight - 6;
    Object.assign(card.style, { left: left + window.scrollX + "px", top: top + window.scrollY + "px" });
  }
  const SHOWN = 'article a[href*="glossary.html#term-"], article a[href*="chapters/"], article a[href^="0"], article a[href^="1"], article a[href^="2"]';
  document.addEventListener("DOMContentLoaded", function () {
    for (const link of document.querySelectorAll(SHOWN)) {
      if (link.closest(".cards, svg")) continue;
      link.addEventListener("mouseenter", () => (timer = setTimeout(show, 200, link)));
      link.addEventListener("focus", () => show(link));
      for (const end of ["mouseleave", "blur", "click"]) link.addEventListener(end, hide);
    }
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    window.addEventListener("scroll", hide, { passive: true });
  });
})();
