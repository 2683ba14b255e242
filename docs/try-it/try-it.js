// Run an exported model on an image that the visitor drops. Nothing is sent anywhere: this page only loads the model
// and onnxruntime-web from the folder in which it is.

import * as ort from "./ort.wasm.bundle.min.mjs";

const FOLDER = new URL(".", import.meta.url);
const LONGEST = 2000; // larger images are reduced, as freeloc does when it decodes large JPEG files

ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", FOLDER).href };
ort.env.wasm.numThreads = 1; // more would require headers that static sites cannot send

const part = (name) => document.getElementById(`try-it-${name}`);
let loading; // the model, once it has been requested
let shown; // the image and its result

async function load() {
  const facts = await (await fetch(new URL("model.json", FOLDER))).json();
  const session = await ort.InferenceSession.create(new URL(facts.file, FOLDER).href);
  return { facts, session };
}

/** Return the upright image as a canvas, and how many of its pixels one pixel of the canvas stands for. */
async function decode(file) {
  const image = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  const factor = Math.max(1, Math.max(image.width, image.height) / LONGEST);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(image.width / factor));
  canvas.height = Math.max(1, Math.round(image.height / factor));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "white"; // behind transparent pixels
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return { canvas, factors: [image.width / canvas.width, image.height / canvas.height] };
}

/** Return the pixels of a canvas as a tensor (height, width, 3). */
function tensorOf(canvas) {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const pixels = new Uint8Array((data.length / 4) * 3);
  for (let from = 0, to = 0; from < data.length; from += 4) {
    pixels[to++] = data[from];
    pixels[to++] = data[from + 1];
    pixels[to++] = data[from + 2];
  }
  return new ort.Tensor("uint8", pixels, [canvas.height, canvas.width, 3]);
}

/** Return one entry per class, most probable first. */
function classesOf(facts, outputs, factors) {
  const [probabilities, points] = [outputs.probabilities.data, outputs.points.data];
  const found = facts.classes.map((name, label) => ({
    name,
    label,
    probability: probabilities[label],
    present: probabilities[label] >= facts.thresholds[label],
    x: points[2 * label], // in pixels of the canvas
    y: points[2 * label + 1],
    imageX: points[2 * label] * factors[0],
    imageY: points[2 * label + 1] * factors[1],
  }));
  return found.sort((first, second) => second.probability - first.probability);
}

/** Return a map as a canvas with one pixel per position, from transparent to opaque red. */
function paintMap(maps, label) {
  const [, rows, cols] = maps.dims;
  const values = maps.data.subarray(label * rows * cols, (label + 1) * rows * cols);
  const image = new ImageData(cols, rows);
  const highest = values.reduce((first, second) => Math.max(first, second), 1e-9);
  values.forEach((value, index) => {
    image.data.set([230, 30, 30, 190 * (value / highest) ** 2], 4 * index);
  });
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [cols, rows];
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function drawCross(context, x, y, size) {
  for (const [color, width] of [["black", size / 4], ["white", size / 10]]) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(x - size, y);
    context.lineTo(x + size, y);
    context.moveTo(x, y - size);
    context.lineTo(x, y + size);
    context.stroke();
  }
}

function draw(chosen) {
  const { canvas, found, maps } = shown;
  const picture = part("picture");
  [picture.width, picture.height] = [canvas.width, canvas.height];
  const context = picture.getContext("2d");
  context.drawImage(canvas, 0, 0);
  if (chosen) {
    context.drawImage(paintMap(maps, chosen.label), 0, 0, canvas.width, canvas.height);
  }
  const size = Math.max(canvas.width, canvas.height) / 40;
  const crosses = chosen ? [chosen] : found.filter((item) => item.present);
  crosses.forEach((item) => drawCross(context, item.x, item.y, size));
  for (const row of part("rows").children) {
    row.classList.toggle("chosen", chosen !== undefined && row.dataset.name === chosen.name);
  }
}

function list() {
  const rows = shown.found.map((item) => {
    const row = document.createElement("tr");
    const texts = [item.name, `${(100 * item.probability).toFixed(1)}%`, item.imageX.toFixed(1), item.imageY.toFixed(1)];
    row.append(...texts.map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    row.classList.toggle("absent", !item.present);
    Object.assign(row.dataset, { name: item.name, probability: item.probability, x: item.imageX, y: item.imageY });
    row.tabIndex = 0;
    row.addEventListener("click", () => draw(item));
    row.addEventListener("keydown", (event) => event.key === "Enter" && draw(item));
    return row;
  });
  part("rows").replaceChildren(...rows);
}

/** Wait until the browser has shown what has changed. */
const shownOnScreen = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));

async function show(file) {
  const say = async (text) => {
    part("state").textContent = text;
    await shownOnScreen();
  };
  try {
    await say("Loading the model …");
    loading ??= load();
    const { facts, session } = await loading.catch((error) => {
      loading = undefined; // so that the next image tries again
      throw new Error(`the model cannot be loaded (${error.message})`);
    });
    const { canvas, factors } = await decode(file).catch(() => {
      throw new Error(`${file.name} is not an image that this browser can read`);
    });
    await say("Looking …");
    const outputs = await session.run({ image: tensorOf(canvas) });
    shown = { canvas, maps: outputs.maps, found: classesOf(facts, outputs, factors) };
    list();
    draw();
    part("picture").hidden = part("table").hidden = false;
    const present = shown.found.filter((item) => item.present).map((item) => item.name);
    await say(present.length ? `Found: ${present.join(", ")}` : "None of the classes is present.");
  } catch (error) {
    await say(`Sorry: ${error.message}.`);
  }
}

const area = part("drop");
area.addEventListener("dragover", (event) => {
  event.preventDefault();
  area.classList.add("over");
});
area.addEventListener("dragleave", () => area.classList.remove("over"));
area.addEventListener("drop", (event) => {
  event.preventDefault();
  area.classList.remove("over");
  if (event.dataTransfer.files.length) {
    show(event.dataTransfer.files[0]);
  }
});
part("file").addEventListener("change", (event) => {
  if (event.target.files.length) {
    show(event.target.files[0]);
  }
});
