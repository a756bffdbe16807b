import { Buffer } from "node:buffer";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { storageError } from "../io/atomic.ts";
import { Html, html, jsonForScript } from "./html.ts";
import type { LiveModel } from "./live_model.ts";

/** The part of the page that evaluates models, and the scripts that it needs. */
export interface LiveSection {
  readonly section: Html;
  /** The texts of the scripts, in order. They are modules. */
  readonly scripts: readonly string[];
  /** What the scripts read: elements that are not run. */
  readonly data: Html;
}

/** The part of the page in which models are evaluated. @param models By the names that they are chosen by. */
export async function liveSection(models: readonly { name: string; model: LiveModel }[]): Promise<LiveSection> {
  const blurred = models.filter(({ model }) => model.resolution !== undefined).map(({ name }) => name);
  const known = models.map(({ model: { gaussian, designs, logsnr, frame } }, i) => ({
    ...{ gaussian, designs, logsnr, frame },
    onnx: `live-model-${i}`,
  }));
  const { wasm, script } = await readRuntime();
  const [lowest, highest] = models[0].model.logsnr;
  return {
    section: html`
      <section id="live" hidden aria-labelledby="live-title">
        <h2 id="live-title">The model, live</h2>
        <p>${HELP}</p>
        ${blurred.map((name) => html`<p class="note">The density of ${name} ${BLURRED}</p>`)}
        ${models.length > 1 ? modelChoice(models.map(({ name }) => name)) : undefined}
        <div class="live">
          ${plane(models.map(({ model }) => model))}
          <div>
            <dl>
              ${value("x, the point", "point")}
              <dt>log p(x)</dt>
              <dd class="large"><output data-value="density" aria-live="polite">–</output></dd>
              ${value("of the Gaussian", "gaussian")}
              ${value("x̂, denoised", "denoised")}
              ${value("evaluations", "evaluations")}
            </dl>
            <label for="live-logsnr">Log SNR of the observation: <output data-value="logsnr"></output></label>
            <input id="live-logsnr" type="range" min="${lowest}" max="${highest}" step="0.1" value="3">
            <p class="status note" role="status"></p>
          </div>
        </div>
      </section>
      <noscript><p class="note">With JavaScript this page also evaluates the model.</p></noscript>
    `,
    scripts: [script, await readPageScript()],
    data: html`
      <script type="application/json" id="live-models">${jsonForScript({ models: known })}</script>
      ${models.map(({ model }, i) => packed(`live-model-${i}`, model.onnx))}
      ${packed("live-runtime", gzipSync(wasm, { level: 9 }))}
    `,
  };
}

const HELP = "Move the pointer over the plane, or a finger, or press arrow keys, and read log p(x) there: the model " +
  "itself runs in this page. The orange ring is the denoised point x̂: where the point was in the mean, if it is seen in " +
  "noise as large as the dotted circle. The slider sets that noise.";

const BLURRED = "is finer than the figures: it is shown, and evaluated, as that of the data in a little noise.";

function modelChoice(names: readonly string[]): Html {
  return html`
    <p>
      <label for="live-model">Model</label>
      <select id="live-model">${names.map((name, i) => html`<option value="${i}">${name}</option>`)}</select>
    </p>
  `;
}

/** The plane: the density of each model, of which one is shown, under the marks. */
function plane(models: readonly LiveModel[]): Html {
  const { frame: { left, top, size }, picture: { width, height } } = models[0];
  const pictures = models.map(({ picture: { svg, alt } }, i) => {
    const source = `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`;
    const hidden = Html.trusted(i > 0 ? "hidden" : "");
    return html`<img src="${source}" alt="${alt}" width="${width}" height="${height}" draggable="false" ${hidden}>`;
  });
  return html`
    <div class="plane" tabindex="0" role="application" aria-label="The plane of the data; arrow keys move the point">
      ${pictures}
      <svg viewBox="0 0 ${width} ${height}" aria-hidden="true">
        <clipPath id="live-frame"><rect x="${left}" y="${top}" width="${size}" height="${size}" /></clipPath>
        <g clip-path="url(#live-frame)">
          <circle class="noise" />
          <line />
          <circle class="denoised" r="6" />
          <circle class="point" r="4.5" />
        </g>
      </svg>
    </div>
  `;
}

function value(label: string, name: string): Html {
  return html`
    <dt>${label}</dt>
    <dd><output data-value="${name}">–</output></dd>
  `;
}

/** Bytes in an element that the browser does not run. */
function packed(id: string, bytes: Uint8Array): Html {
  return html`<script type="text/plain" id="${id}">${Buffer.from(bytes).toString("base64")}</script>`;
}

/** ONNX Runtime for browsers: its script, which leaves it as `ort`, and its WebAssembly. */
async function readRuntime(): Promise<{ script: string; wasm: Uint8Array }> {
  const { default: module } = await import("onnxruntime-web/wasm", { with: { type: "text" } });
  const script = module.replace(/^\/\/# sourceMappingURL=.*$/m, "").replace(
    /export\s*\{([^}]*)\};?\s*$/,
    (_, names: string) =>
      `globalThis.ort={${
        names.split(",").map((name) => {
          const [local, exported = local] = name.trim().split(/\s+as\s+/);
          return `${exported}:${local}`;
        }).join(",")
      }};`,
  );
  if (!script.includes("globalThis.ort={")) {
    throw new Error("The script of onnxruntime-web does not end in its exports.");
  }
  const path = fileURLToPath(import.meta.resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm"));
  try {
    return { script, wasm: await Deno.readFile(path) };
  } catch (error) {
    throw storageError(path, error);
  }
}

/** The page's own script: its modules are put together as one. */
async function readPageScript(): Promise<string> {
  const [density, page] = await Promise.all(
    ["live_density.js", "live_page.js"].map((name) => Deno.readTextFile(new URL(name, import.meta.url))),
  );
  return `${density.replaceAll(/^export /gm, "")}\n${page}`;
}
