// Where the stored widgets find their code: all of it beside this file, none of it on a network.
(function () {
  const here = document.currentScript.src.replace(/amd-paths\.js.*$/, "");
  window.requirejs.config({
    paths: {
      anywidget: here + "vendor/widgets/anywidget",
      "@jupyter-widgets/html-manager/dist": here + "vendor/widgets",
    },
  });
  // The widgets' manager asks for MathJax 2's queue. MathJax 3 replaces window.MathJax when it starts, so every value that
  // is ever put there is given one.
  const hub = { Queue: () => value && value.typesetPromise && value.typesetPromise() };
  let value = window.MathJax;
  const withHub = (object) => (object && !object.Hub ? Object.assign(object, { Hub: hub }) : object);
  withHub(value);
  Object.defineProperty(window, "MathJax", {
    configurable: true,
    get: () => value,
    set: (next) => { value = withHub(next); },
  });
})();
