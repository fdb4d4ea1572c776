// Copies what the pages use of the browser libraries, with their licences, into the package: make assets.
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { join } from "node:path";

const FILES = {
  "htmx.org": { "dist/htmx.min.js": "htmx.min.js" },
  uplot: { "dist/uPlot.iife.min.js": "uPlot.iife.min.js", "dist/uPlot.min.css": "uPlot.min.css" },
  "@niivue/niivue": { "dist/index.js": "niivue.js" /* index.min.js of 0.69 exports itself as a string */ },
  "@google/model-viewer": { "dist/model-viewer.min.js": "model-viewer.min.js" },
};
const here = import.meta.dirname;
const target = process.argv[2] ?? join(here, "..", "src", "salus", "web", "assets");

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
for (const [name, files] of Object.entries(FILES)) {
  const folder = join(here, "node_modules", ...name.split("/"));
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf-8"));
  const licence = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
  const notice = `${name.split("/").at(-1)}.licence.txt`; // beside this file where the package brings none
  const text = readFileSync(licence ? join(folder, licence) : join(here, notice), "utf-8");
  writeFileSync(join(target, notice), `${name} ${version} (${license})\n\n${text}`);
  for (const [from, to] of Object.entries(files)) {
    if (!existsSync(join(folder, from))) throw new Error(`${name} ${version} has no ${from}`);
    copyFileSync(join(folder, from), join(target, to));
  }
  console.log(`${name} ${version}: ${Object.values(files).join(", ")}`);
}
