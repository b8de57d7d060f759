// node typeset.cjs FOLDER < formulas.json: [{tex, display}] to a JSON list of HTML, by the MathJax in FOLDER.
const folder = require("path").resolve(process.argv[2]);

async function main() {
  const formulas = JSON.parse(require("fs").readFileSync(0, "utf-8"));
  const MathJax = await require(folder + "/node-main.js").init({
    loader: { load: ["input/tex-full", "output/svg", "adaptors/liteDOM"] },
    tex: { packages: { "[+]": ["ams", "boldsymbol", "color", "cancel", "braket"] } },
    svg: { fontCache: "none" },
  });
  const { adaptor } = MathJax.startup;
  const done = [];
  for (const { tex, display } of formulas) {
    const drawing = adaptor.outerHTML(await MathJax.tex2svgPromise(tex, { display }));
    if (drawing.includes("data-mjx-error")) throw new Error(`${tex}: ${drawing.match(/data-mjx-error="([^"]*)"/)[1]}`);
    const spoken = await MathJax.tex2mmlPromise(tex, { display });
    const hidden = `<span class="spoken-math">${spoken.replace(/\s*\n\s*/g, "")}</span>`;
    done.push(drawing.replace("<svg", '<svg aria-hidden="true"').replace("</mjx-container>", hidden + "</mjx-container>"));
  }
  process.stdout.write(JSON.stringify(done));
}

main().catch((error) => {
  process.stderr.write(String(error && error.message ? error.message : error));
  process.exit(1);
});
