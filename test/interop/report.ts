import { floatSamples } from "../../core/data/samples.ts";
import { deepEqual, equal, ok } from "assert";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { density } from "../../core/evaluation/density.ts";
import { createErrorMeter } from "../../core/evaluation/errors.ts";
import { readSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { startEngine } from "../../core/engine/start.ts";
import { EXTENT, SIDE } from "../../core/evaluation/picture.ts";
import { openRun } from "../../core/run/open_run.ts";
import { type BrowserPage, findChromium, inChromium } from "../core/report/chromium.ts";
import { inFolder } from "../folders.ts";
import { runTask } from "../tasks/command.ts";

/** Where the program is not, the test is named as ignored, or fails if it is required (REQUIRED_PROGRAMS). */
const chromium = await findChromium();
const required = (Deno.env.get("REQUIRED_PROGRAMS") ?? "").split(/\s+/).includes("chromium");
const ignore = chromium === undefined && !required;
if (ignore) console.warn("Chromium is not installed: the report page is not tested in it.");

const LIVE = `document.getElementById("live")`;

/** A value of the live part once it has settled. */
async function settled(
  page: BrowserPage,
): Promise<Record<"x1" | "x2" | "logDensity" | "stderr" | "evaluations", number>> {
  await page.until(`${LIVE}.dataset.settled !== undefined`);
  const data = await page.evaluate<Record<string, string>>(`({ ...${LIVE}.dataset })`);
  const [x1, x2, logDensity, stderr, evaluations] = ["x1", "x2", "logDensity", "stderr", "evaluations"].map((name) =>
    Number(data[name])
  );
  return { x1, x2, logDensity, stderr, evaluations };
}

/** The density that the run's own estimator gives at a point with the page's log SNRs, and with a panel's number. */
async function densities(path: string, point: readonly [number, number], levels: number) {
  const { denoiser, info, params, proposal } = await openRun(path);
  const { engine } = await startEngine("onnx-cpu", 1, info.shape);
  const state = engine.createState(params);
  // The page compares with the data's Gaussian, whatever the run's reference.
  const { shape, gaussian } = info;
  const meter = await createErrorMeter(engine, state, (s) => s, denoiser, { shape, gaussian }, 2048);
  try {
    const at = (levels: number) =>
      density(meter, floatSamples(Float32Array.from(point), 2), proposal, Random.fromSeed(0).split("report"), levels);
    return [await at(levels), await at(16)];
  } finally {
    await meter.dispose();
    state.dispose();
    await engine.dispose();
  }
}

/** Moves the pointer to a point of the plane. */
async function pointTo(page: BrowserPage, x1: number, x2: number): Promise<void> {
  const { x, y } = await page.evaluate<{ x: number; y: number }>(`(() => {
    delete ${LIVE}.dataset.settled;
    const { left, top, size, width, extent } = JSON.parse(document.getElementById("live-models").textContent).models[0].frame;
    const box = document.querySelector(".plane svg").getBoundingClientRect();
    const place = (at) => size * (at + extent) / (2 * extent) * box.width / width;
    return { x: box.x + left * box.width / width + place(${x1}), y: box.y + top * box.width / width + place(${-x2}) };
  })()`);
  await page.send("Input.dispatchMouseEvent", { type: "mouseMoved", x, y });
}

async function press(page: BrowserPage, key: string, shift = false): Promise<void> {
  await page.evaluate(`delete ${LIVE}.dataset.settled`);
  const event = { key, code: key, modifiers: shift ? 8 : 0 };
  await page.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
  await page.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
}

async function show(page: BrowserPage, width: number, height: number, scheme: "light" | "dark"): Promise<void> {
  await page.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 500 });
  await page.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: scheme }] });
}

/** Opens a page and waits for its live part. */
async function openLive(page: BrowserPage, url: string): Promise<void> {
  await page.open(url);
  await page.evaluate(`${LIVE}.scrollIntoView()`);
  await page.until(`${LIVE}.dataset.settled !== undefined || ${LIVE}.dataset.state === "failed"`);
  equal(await page.evaluate(`${LIVE}.dataset.state`), "ready");
}

/** The smallest contrast of any text with what it stands on, and whose it is. */
const CONTRAST = `(() => {
  const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const background = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = channels(getComputedStyle(one).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let least = { contrast: 21, text: "" };
  for (const element of document.querySelectorAll("main *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
    if (!hasText || element.closest("svg, option")) continue;
    const [a, b] = [channels(getComputedStyle(element).color), background(element)].map(luminance);
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least.contrast) least = { contrast, text: element.textContent.trim().slice(0, 40) };
  }
  return { ...least, paper: luminance(background(document.body)) };
})()`;

Deno.test({
  name: "Chromium shows a report from disk, with the model's own density in it, by pointer and by keyboard",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      ok(chromium, "REQUIRED_PROGRAMS has chromium, which is not installed.");
      const trained = await runTask("train:2d", ["moons", "--epochs", "4", "--points", "2000", "--out", "run"], cwd);
      equal(trained.code, 0, trained.stderr);
      const { code, stderr } = await runTask("report", ["run"], cwd);
      equal(code, 0, stderr);
      const { tensors } = await readSafetensors(join(cwd, "run", "density.safetensors"));
      const panel = tensors["epoch.4"].data as Float32Array;
      const url = pathToFileURL(join(cwd, "run", "report.html")).href;
      await inChromium(chromium, async (page) => {
        await show(page, 1280, 900, "light");
        await openLive(page, url);
        const cells = [[32, 32], [20, 40], [45, 25], [50, 32], [32, 45]];
        const coordinate = (i: number) => -EXTENT + 2 * EXTENT * i / (SIDE - 1);
        for (const [column, row] of cells) {
          await pointTo(page, coordinate(column), coordinate(row));
          const { x1, x2, logDensity, stderr, evaluations } = await settled(page);
          ok(Math.abs(x1 - coordinate(column)) < 1e-4 && Math.abs(x2 - coordinate(row)) < 1e-4, `${x1}, ${x2}`);
          const [same, coarse] = await densities(join(cwd, "run"), [x1, x2], evaluations / 2);
          ok(Math.abs(logDensity - same.logDensity[0]) < 2e-3, `${logDensity}, not ${same.logDensity[0]}`);
          ok(Math.abs(stderr - same.stderr[0]) < 2e-3, `${stderr}, not ${same.stderr[0]}`);
          const difference = Math.abs(logDensity - panel[row * SIDE + column]);
          ok(difference < 3 * Math.hypot(stderr, coarse.stderr[0]), `${difference} ± ${stderr}, ${coarse.stderr[0]}`);
        }
        await pointTo(page, 0.5, -0.5);
        const first = await settled(page);
        await pointTo(page, 1, 1);
        await settled(page);
        await pointTo(page, 0.5, -0.5);
        equal((await settled(page)).logDensity, first.logDensity, "the same point has the same number");

        await page.evaluate(`document.querySelector(".plane").focus()`);
        await press(page, "ArrowRight", true);
        const right = await settled(page);
        await press(page, "ArrowUp");
        const up = await settled(page);
        ok(Math.abs(right.x1 - first.x1 - 0.25) < 1e-9 && Math.abs(up.x2 - first.x2 - 0.05) < 1e-9);
        const denoised = `document.querySelector('[data-value="denoised"]').textContent`;
        const before = await page.evaluate(denoised);
        await page.evaluate(`delete ${LIVE}.dataset.settled;
          const slider = document.getElementById("live-logsnr");
          slider.value = -2; slider.dispatchEvent(new Event("input"))`);
        await settled(page);
        ok(await page.evaluate(denoised) !== before);
        deepEqual([page.errors, page.requests], [[], []]);
      });
    }),
});

Deno.test({
  name: "Chromium shows one run and several, on a phone and a screen, in light and dark, legibly and without scrolling",
  ignore,
  fn: () =>
    inFolder(async (cwd) => {
      ok(chromium, "REQUIRED_PROGRAMS has chromium, which is not installed.");
      for (const [data, name] of [["moons", "a"], ["scg", "b"]]) {
        const args = [data, "--epochs", "2", "--points", "600", "--width", "16", "--out", name];
        const { code, stderr } = await runTask("train:2d", args, cwd);
        equal(code, 0, stderr);
      }
      for (const args of [["a"], ["a", "b"]]) equal((await runTask("report", args, cwd)).code, 0);
      await inChromium(chromium, async (page) => {
        for (const file of ["a/report.html", "report.html"]) {
          for (const [width, height] of [[360, 800], [1280, 900]]) {
            for (const scheme of ["light", "dark"] as const) {
              await show(page, width, height, scheme);
              await openLive(page, pathToFileURL(join(cwd, file)).href);
              await page.evaluate(`document.querySelectorAll("details").forEach((one) => one.open = true)`);
              ok(await page.evaluate<number>(`document.documentElement.scrollWidth`) <= width, `${file}, ${width} px`);
              const { contrast, text, paper } = await page.evaluate<{ contrast: number; text: string; paper: number }>(
                CONTRAST,
              );
              ok(contrast >= 4.5, `${contrast} of "${text}" in ${scheme}`);
              ok(scheme === "dark" ? paper < 0.02 : paper > 0.95);
              ok(await page.evaluate(`[...document.images].every((one) => one.complete && one.naturalWidth > 0)`));
              ok(await page.evaluate(`[...document.images].every((one) => one.alt !== "")`));
            }
          }
        }
        await page.evaluate(`const choice = document.getElementById("live-model");
          delete ${LIVE}.dataset.settled; choice.value = "1"; choice.dispatchEvent(new Event("change"))`);
        ok(Number.isFinite((await settled(page)).logDensity));
        equal(await page.evaluate(`[...document.querySelectorAll(".plane img")].findIndex((one) => !one.hidden)`), 1);
        deepEqual([page.errors, page.requests], [[], []]);
        await page.send("Emulation.setScriptExecutionDisabled", { value: true });
        await page.open(pathToFileURL(join(cwd, "a/report.html")).href);
        const { root } = await page.send("DOM.getDocument", { depth: 0 }) as { root: { nodeId: number } };
        const { nodeId } = await page.send("DOM.querySelector", { nodeId: root.nodeId, selector: "table" });
        ok(nodeId);
      });
    }),
});
