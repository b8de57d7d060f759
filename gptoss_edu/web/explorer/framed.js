// In a frame whose site has its own light and dark themes, the explorer asks once and follows the site from then on.
// The frame is sandboxed, so a message is all that passes: {"gptoss-theme": "ask"} up, "light" or "dark" down.

export function followSite(app) {
  if (window.parent === window || app.choice !== "auto") return;
  window.addEventListener("message", (event) => {
    const wanted = event.source === window.parent && event.data && event.data["gptoss-theme"];
    if (wanted === "light" || wanted === "dark") app.setTheme(wanted);
  });
  window.parent.postMessage({ "gptoss-theme": "ask" }, "*");
}
