// Puts the live boxes and the explorers of a page where they belong, each when it comes near.
(function () {
  const up = document.body.dataset.up;
  const { gptoss, gptossSettings: settings } = window;
  const traces = new Map(); // name → what waits for its data

  window.gptossTrace = (name, data) => traces.get(name)?.(data);

  function box(element) {
    const experiment = settings.experiments[element.dataset.playground];
    const host = document.createElement("div");
    element.replaceChildren(host);
    const files = () => gptoss.filesFromScript(up + "_static/model.js");
    const addresses = Object.entries(settings.chapters).map(([number, address]) => [number, up + address]);
    const told = { ...settings, lab: up + "lab.html", experiment, chapters: Object.fromEntries(addresses) };
    const mount = experiment.kind === "picture" ? gptoss.mountPicture : gptoss.mountBox;
    mount(host, told, { worker: gptoss.worker, files });
  }

  function explorer(element) {
    const name = element.dataset.trace;
    const data = new Promise((done, failed) => {
      traces.set(name, done);
      const script = document.createElement("script");
      script.src = `${up}_static/traces/${name}.js`;
      script.onerror = () => failed(new Error("its trace could not be read"));
      document.head.append(script);
    });
    const theme = () => document.documentElement.dataset.theme || "auto";
    data
      .then((text) => gptoss.mountText(element, text, { theme: theme() }))
      .then((app) => {
        element.dataset.ready = "1";
        new MutationObserver(() => app.setTheme(theme())).observe(document.documentElement, {
          attributeFilter: ["data-theme"],
        });
      })
      .catch((error) => (element.textContent = `This explorer could not open: ${error.message}.`));
  }

  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        seen.unobserve(target);
        (target.matches(".playground") ? box : explorer)(target);
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(".playground, .explorer").forEach((element) => seen.observe(element));
})();
