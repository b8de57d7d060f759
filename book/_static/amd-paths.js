// Where the stored widgets find their code: all of it beside this file, none of it on a network.
(function () {
  const here = document.currentScript.src.replace(/amd-paths\.js.*$/, "");
  window.requirejs.config({
    paths: {
      anywidget: here + "vendor/widgets/anywidget",
      "@jupyter-widgets/html-manager/dist": here + "vendor/widgets",
    },
  });
  // The widgets' manager asks for MathJax 2's queue; the page has MathJax 3.
  window.MathJax = window.MathJax || {};
  window.MathJax.Hub = window.MathJax.Hub || { Queue: function () { if (window.MathJax.typesetPromise) window.MathJax.typesetPromise(); } };
})();
