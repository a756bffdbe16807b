// Evaluates the model in the page. `ort` is ONNX Runtime, which an earlier script of the page leaves, and the functions of
// live_density.js stand before this.

const view = document.getElementById("live");
const { models } = JSON.parse(document.getElementById("live-models").textContent);
const plane = view.querySelector(".plane");
const marks = plane.querySelector("svg");
const choice = view.querySelector("select");
const slider = view.querySelector("input");
const status = view.querySelector(".status");
const shown = (name) => view.querySelector(`[data-value="${name}"]`);

/** More log SNRs are tried until the error is so small, in nats, or an evaluation would take so long, in ms. */
const ENOUGH = 0.01;
const MAX_TIME = 400;

/** What an arrow key moves the point by; with Shift it is five times as much. */
const STEP = 0.05;

const state = { model: models[0], x: [0, 0], sessions: new Map(), moved: 0, isBusy: false };

const sign = (value, digits) => value.toFixed(digits).replace("-", "−");
const pair = ([a, b]) => `(${sign(a, 2)}, ${sign(b, 2)})`;

async function unpacked(id) {
  const binary = atob(document.getElementById(id).textContent.trim());
  const bytes = Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function start() {
  status.textContent = "Loading the model …";
  try {
    globalThis.ort.env.wasm.numThreads = 1;
    globalThis.ort.env.wasm.wasmBinary = (await unpacked("live-runtime")).buffer;
    await sessionOf(state.model);
    view.dataset.state = "ready";
    status.textContent = "";
    await refresh();
  } catch (error) {
    view.dataset.state = "failed";
    status.textContent = `The model cannot be run in this browser: ${error.message}`;
  }
}

async function sessionOf(model) {
  let session = state.sessions.get(model);
  if (!session) {
    session = await globalThis.ort.InferenceSession.create(await unpacked(model.onnx));
    state.sessions.set(model, session);
  }
  return session;
}

async function epsHat(session, z, logsnr) {
  const { Tensor } = globalThis.ort;
  const rows = logsnr.length;
  const { eps_hat } = await session.run({
    z: new Tensor("float32", z, [rows, 2]),
    logsnr: new Tensor("float32", logsnr, [rows]),
  });
  return eps_hat.data;
}

/** Shows the numbers of the point: at once with few log SNRs, then with more while the point rests. */
async function refresh() {
  drawPoint();
  if (view.dataset.state !== "ready") return;
  state.moved++;
  // A run that is under way sees that the point has moved, and starts again.
  if (state.isBusy) return;
  state.isBusy = true;
  try {
    for (let done = -1; done !== state.moved;) {
      done = state.moved;
      await evaluate(() => done !== state.moved);
    }
  } catch (error) {
    status.textContent = `The model failed: ${error.message}`;
  } finally {
    state.isBusy = false;
  }
}

async function evaluate(hasMoved) {
  const { model, x: [x1, x2] } = state;
  const session = await sessionOf(model);
  const alpha = Number(slider.value);
  const signal = 1 / Math.sqrt(1 + Math.exp(-alpha));
  const estimate = await epsHat(session, Float32Array.of(signal * x1, signal * x2), Float32Array.of(alpha));
  const spread = Math.exp(-alpha / 2);
  drawDenoised([x1 - spread * estimate[0], x2 - spread * estimate[1]], spread);
  shown("gaussian").textContent = `${sign(gaussianLogDensity(x1, x2, model.gaussian), 3)} nats`;
  let perRow = 0;
  for (const design of model.designs) {
    const rows = modelRows(x1, x2, design);
    if (hasMoved()) return;
    if (perRow * rows.logsnr.length > MAX_TIME) break;
    const started = performance.now();
    const { logDensity, stderr } = logDensityOf(
      x1,
      x2,
      design,
      model.gaussian,
      await epsHat(session, rows.z, rows.logsnr),
    );
    perRow = (performance.now() - started) / rows.logsnr.length;
    const output = shown("density");
    output.textContent = `${sign(logDensity, 3)} ± ${sign(stderr, 3)} nats`;
    Object.assign(view.dataset, { x1, x2, logDensity, stderr, evaluations: rows.logsnr.length });
    shown("evaluations").textContent = String(rows.logsnr.length);
    if (stderr < ENOUGH) break;
    // Lets the page draw, and a pointer move, before the next.
    await new Promise((resolve) => setTimeout(resolve));
  }
  view.dataset.settled = String(state.moved);
}

/** Where a point of the plane is in the picture, in its pixels. */
function place([x1, x2]) {
  const { left, top, size, extent } = state.model.frame;
  return [left + size * (x1 + extent) / (2 * extent), top + size * (extent - x2) / (2 * extent)];
}

function set(selector, attributes) {
  const element = marks.querySelector(selector);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
}

function drawPoint() {
  const [cx, cy] = place(state.x);
  set(".point", { cx, cy });
  shown("point").textContent = pair(state.x);
}

function drawDenoised(to, spread) {
  const { size, extent } = state.model.frame;
  const [cx, cy] = place(state.x);
  const [x, y] = place(to);
  set(".noise", { cx, cy, r: Math.min(4 * size, spread * size / (2 * extent)) });
  set(".denoised", { cx: x, cy: y });
  set("line", { x1: cx, y1: cy, x2: x, y2: y });
  shown("denoised").textContent = pair(to);
  shown("logsnr").textContent = sign(Number(slider.value), 1);
}

function moveTo(x1, x2) {
  const { extent } = state.model.frame;
  const within = (value) => Math.min(extent, Math.max(-extent, value));
  state.x = [within(x1), within(x2)];
  refresh();
}

function follow(event) {
  const { left, top, size, extent, width } = state.model.frame;
  const box = marks.getBoundingClientRect();
  const scale = width / box.width;
  const [px, py] = [(event.clientX - box.left) * scale - left, (event.clientY - box.top) * scale - top];
  moveTo(2 * extent * px / size - extent, extent - 2 * extent * py / size);
}

plane.addEventListener("pointermove", follow);
plane.addEventListener("pointerdown", follow);
plane.addEventListener("keydown", (event) => {
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const direction = directions[event.key];
  if (!direction) return;
  event.preventDefault();
  const step = event.shiftKey ? 5 * STEP : STEP;
  moveTo(state.x[0] + step * direction[0], state.x[1] + step * direction[1]);
});
slider.addEventListener("input", refresh);
choice?.addEventListener("change", () => {
  state.model = models[Number(choice.value)];
  plane.querySelectorAll("img").forEach((image, i) => image.hidden = i !== Number(choice.value));
  [slider.min, slider.max] = state.model.logsnr.map(String);
  refresh();
});

// Firefox keeps a form's values over a reload.
if (choice) choice.value = "0";
view.hidden = false;
drawPoint();
// The runtime takes some 40 MB of memory, so it starts when it is looked at.
const seen = new IntersectionObserver((entries) => {
  if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
  seen.disconnect();
  start();
}, { rootMargin: "200px" });
seen.observe(view);
