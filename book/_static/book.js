// What a screen reader is told: the visible words of folds and of the search button, and a name for what stored widgets draw.
(function () {
  function mend() {
    for (const element of document.querySelectorAll("summary[aria-label], .search-button-field[aria-label]")) {
      element.removeAttribute("aria-label");
    }
    for (const handle of document.querySelectorAll(".noUi-handle:not([aria-label])")) {
      const label = handle.closest(".jupyter-widgets") && handle.closest(".jupyter-widgets").querySelector(".widget-label");
      handle.setAttribute("aria-label", (label && label.textContent) || "slider");
    }
    for (const image of document.querySelectorAll("img:not([alt])")) image.alt = "Figure drawn by the cell above";
  }
  document.addEventListener("DOMContentLoaded", function () {
    mend();
    new MutationObserver(mend).observe(document.body, { childList: true, subtree: true });
  });
})();
