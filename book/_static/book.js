// For screen readers and keyboards: folds and the search button say their visible words, drawn things have names.
(function () {
  function mend() {
    for (const element of document.querySelectorAll("summary[aria-label], .search-button-field[aria-label]")) {
      element.removeAttribute("aria-label");
    }
    for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
      const label = handle.closest(".jupyter-widgets") && handle.closest(".jupyter-widgets").querySelector(".widget-label");
      handle.setAttribute("aria-label", (label && label.textContent) || "slider");
    }
    for (const formula of document.querySelectorAll("div.math:not([tabindex])")) {
      if (formula.scrollWidth > formula.clientWidth + 1) formula.tabIndex = 0; // the keyboard can scroll what is too wide
    }
    for (const image of document.querySelectorAll("img:not([alt])")) image.alt = "Figure drawn by the cell above";
  }
  document.addEventListener("DOMContentLoaded", function () {
    mend();
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  });
})();

// The explorers stand in sandboxed frames: they ask for the site's theme, and are told of every change.
(function () {
  const asked = new Set();
  const tell = (frame) => frame.postMessage({ "gptoss-theme": document.documentElement.dataset.theme }, "*");
  window.addEventListener("message", function (event) {
    if (!event.data || event.data["gptoss-theme"] !== "ask") return;
    asked.add(event.source);
    tell(event.source);
  });
  new MutationObserver(() => asked.forEach(tell)).observe(document.documentElement, { attributeFilter: ["data-theme"] });
})();
