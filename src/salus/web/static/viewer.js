// A file from this device, shown here: scans by NiiVue, models by model-viewer. Nothing is sent.
const form = document.querySelector("[data-viewer]");
const stage = document.querySelector("[data-stage]");

async function showScan(file) {
  const { Niivue } = await import(form.dataset.scan);
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Scan ${file.name}: three planes and a rendering`);
  stage.replaceChildren(canvas);
  const viewer = new Niivue({ backColor: [0, 0, 0, 1], crosshairWidth: 0.4, logLevel: "error" });
  await viewer.attachToCanvas(canvas);
  await viewer.loadFromFile(file);
}

async function showModel(file) {
  await import(form.dataset.model);
  const model = document.createElement("model-viewer");
  model.setAttribute("camera-controls", "");
  model.setAttribute("alt", `Model ${file.name}`);
  model.setAttribute("src", URL.createObjectURL(file));
  stage.replaceChildren(model);
  await new Promise((done, failed) => {
    model.addEventListener("load", done, { once: true });
    model.addEventListener("error", () => failed(new Error("This model cannot be shown.")), { once: true });
  });
}

if (form) {
  document.querySelector("[data-without-script]").hidden = true;
  form.hidden = false;
  const said = form.querySelector(".problem");
  form.querySelector("input").addEventListener("change", async ({ target }) => {
    const file = target.files[0];
    if (!file) return;
    said.hidden = true;
    stage.hidden = false;
    try {
      await (/\.glb$/i.test(file.name) ? showModel(file) : showScan(file));
      stage.dataset.shown = file.name;
    } catch (error) {
      stage.hidden = true;
      said.textContent = error.message;
      said.hidden = false;
    }
  });
}
