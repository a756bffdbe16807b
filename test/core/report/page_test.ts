import { deepEqual, equal, match, ok } from "assert";
import { join } from "node:path";
import { UserError } from "../../../core/errors/user_error.ts";
import { Random } from "../../../core/random/random.ts";
import { labelsOf } from "../../../core/report/mod.ts";
import { reportPage } from "../../../core/report/page.ts";
import { readRunFiles } from "../../../core/report/run_files.ts";
import { reportOf } from "../../../core/report/run_report.ts";
import { savedFigure } from "../../../core/report/saved_figure.ts";
import { inFolder } from "../../folders.ts";
import { makeFinishedRun, SUMMARY } from "./report_runs.ts";

const OFF = { live: false, curves: false };

/** The page of a run's folder without its live part, and without space between elements. */
async function pageOf(path: string): Promise<string> {
  return (await reportPage([await reportOf(path, "run", OFF)])).replaceAll(/>\s+</g, "><");
}

Deno.test("a page has title, numbers, figures, configuration, commands and versions in this order", () =>
  inFolder(async (path) => {
    await makeFinishedRun(path);
    const page = await pageOf(path);
    const order = [
      "<h1>run</h1>",
      "The denoiser gaussian with 1,234 parameters, trained on scg for 3 epochs in 2.5 s by the default recipe.",
      "1.250 ± 0.030",
      "1.230 ± 0.010",
      "0.012 ± 0.010",
      "1.222 ± 0.004",
      "4,000,000",
      'alt="Error &amp; more"',
      "--logsnr-scale",
      "deno task train:2d scg",
      '<th scope="row">deno</th><td>2.9.6</td>',
    ];
    const places = order.map((text) => page.indexOf(text));
    deepEqual(places.filter((place) => place < 0), [], order[places.indexOf(-1)]);
    deepEqual(places, places.toSorted((a, b) => a - b));
    ok(page.length < 1e6);
    match(page, /default-src &#39;none&#39;; img-src data:; .*script-src &#39;none&#39;/);
    ok(!page.includes("<script"));
  }));

Deno.test("an unfinished run says so and shows what there is", () =>
  inFolder(async (path) => {
    await makeFinishedRun(path, { summary: null, figures: {}, epochs: 2 });
    const page = await pageOf(path);
    match(page, /This run is not finished: it has trained 2 of 3 epochs\./);
    match(page, /NLL, validation data, epoch 2<\/th><td>1\.800 ± 0\.100/);
    match(page, /alt="[^"]*negative log likelihood/);
    match(page, /Go on with it/);
    await Deno.remove(join(path, "checkpoints"), { recursive: true });
    await Deno.remove(join(path, "metrics.jsonl"));
    const empty = await reportPage([await reportOf(path, "run", { live: true, curves: false })]);
    match(empty, /it has trained 0 of 3 epochs\. It has no checkpoint yet\./);
    match(empty, /No epoch is finished/);
    ok(!empty.includes("deno task sample") && !empty.includes('id="live"'));
  }));

Deno.test("a page says why the model is not evaluated in it", () =>
  inFolder(async (folder) => {
    const plugin = join(folder, "mod_denoiser.ts");
    await Deno.writeTextFile(
      plugin,
      `throw new Error("A report has run it.");`,
    );
    const live = { live: true, curves: false };
    const cases: [string, Parameters<typeof makeFinishedRun>[1], string | undefined, RegExp][] = [
      ["image", { shape: [3, 4, 4] }, undefined, /its samples are of shape \[3, 4, 4\], not points of a plane\./],
      ["vector", { shape: [3] }, undefined, /its samples are of shape \[3\], not points of a plane\./],
      ["untrained", {}, "checkpoints", /The model is not evaluated in this page: the run has no checkpoint\./],
      ["old", {}, "data.safetensors", /cannot be opened, nor evaluated in this page: The run in .* has no data\.saf/],
      [
        "other",
        { config: { denoiser: plugin } },
        undefined,
        /in this page: The run.*s denoiser .* is code from outside the project, .* A report runs no such code\./,
      ],
    ];
    for (const [name, options, removed, reason] of cases) {
      const path = join(folder, name);
      await Deno.mkdir(path);
      await makeFinishedRun(path, options);
      if (removed) await Deno.remove(join(path, removed), { recursive: true });
      const report = await reportOf(path, name, live);
      const page = await reportPage([report]);
      match(page, reason);
      equal(page.split("in this page: ").length, 2, name);
      match(await reportPage([report, report]), reason);
      ok(!page.includes('id="live"') && !(await pageOf(path)).includes("evaluated in this page"), name);
    }
  }));

Deno.test("the name of an option is not broken at its hyphens", () =>
  inFolder(async (path) => {
    await makeFinishedRun(path);
    const page = await pageOf(path);
    match(page, /deno task train:2d scg <span>--denoiser<\/span> gaussian /);
    equal(page.match(/<pre.*?<\/pre>/)?.[0].replaceAll(/<[^>]*>/g, "").includes("--logsnr-loc 1 "), true);
  }));

Deno.test("nothing that files say becomes markup, and no script of theirs can run", () =>
  inFolder(async (folder) => {
    const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`;
    const path = join(folder, "a<b>&'\"");
    await Deno.mkdir(path);
    const svg = `<svg width="10" height="10" aria-label="<b>${
      hostile.replaceAll('"', "&quot;")
    }" onload="alert(1)"></svg>`;
    await makeFinishedRun(path, {
      config: { dataset: hostile, denoiserOptions: { [hostile]: hostile } },
      summary: { ...SUMMARY, backend: hostile, versions: { [hostile]: hostile }, parameters: hostile },
      figures: { mse: svg },
    });
    await Deno.writeTextFile(join(path, "nll", `${hostile.replaceAll("/", "")}.json`), '{"nats": 1, "data": "<i>"}');
    const page = await reportPage([await reportOf(path, `x${hostile}`, OFF)]);
    const compared = [await reportOf(path, `x${hostile}`, OFF), await reportOf(path, "other", OFF)];
    for (const text of [page, await reportPage(compared)]) {
      for (const element of ["<script", "<b>", "<i>", "<img src=x", "onload="]) ok(!text.includes(element), element);
      ok(text.includes("&lt;script&gt;alert(1)&lt;/script&gt;"));
    }
  }));

Deno.test("files that are not what they should be are left out", () =>
  inFolder(async (path) => {
    await makeFinishedRun(path, {
      summary: { val_nll: "1", test_nll: null, entropy: 1e400, epochs: 3, versions: ["x"] },
      figures: { mse: "not an svg", loss: '<svg width="0" height="3">', overview: '<svg height="3" width="900">' },
    });
    const odd = { "a.json": "{", "b.json": "[]", "c.json": '{"nats": "1"}', "d.json": '{"nats": 2, "stderr": "x"}' };
    for (const [name, text] of Object.entries(odd)) await Deno.writeTextFile(join(path, "nll", name), text);
    await Deno.mkdir(join(path, "nll", "e.json"));
    await Deno.writeTextFile(join(path, "figures", "unknown.svg"), "<svg></svg>");
    const { figures, likelihoods, summary } = await readRunFiles(path);
    deepEqual(figures.map(({ name }) => name), ["overview"]);
    deepEqual(likelihoods.map(({ name }) => name), ["d", "fresh"]);
    deepEqual(summary, { epochs: 3, versions: { 0: "x" } });
    match(await pageOf(path), /No epoch is finished|True entropy|<h2>Numbers/);
  }));

Deno.test("damaged files give a page or an error of one line", () =>
  inFolder(async (folder) => {
    const random = Random.fromSeed(5);
    const source = join(folder, "source");
    await Deno.mkdir(source);
    await makeFinishedRun(source);
    const files = [
      "summary.json",
      "config.json",
      "metrics.jsonl",
      "nll/fresh.json",
      "figures/mse.svg",
      "data.safetensors",
    ];
    let pages = 0;
    for (const file of files) {
      const bytes = await Deno.readFile(join(source, file));
      for (let k = 0; k < 12; k++) {
        const damaged = k % 3 === 0 ? bytes.slice(0, random.integer(bytes.length)) : bytes.slice();
        if (k % 3 !== 0) damaged[random.integer(bytes.length)] = random.integer(256);
        await Deno.writeFile(join(source, file), damaged);
        try {
          ok((await pageOf(source)).length < 1e6);
          pages++;
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          ok(!error.message.includes("\n"), error.message);
        }
      }
      await Deno.writeFile(join(source, file), bytes);
    }
    ok(pages > 20, `${pages} pages`);
  }));

Deno.test("a figure needs a size, and its words are those of its root", () => {
  equal(savedFigure("x", "<p>"), undefined);
  equal(savedFigure("x", '<svg width="10">'), undefined);
  equal(savedFigure("x", '<svg width="1e9" height="10">'), undefined);
  equal(savedFigure("x", '<svg width="999999" height="10">'), undefined);
  const figure = savedFigure(
    "x",
    '<?xml version="1.0"?>\n<svg width="10.4" height="9" aria-label="a &lt; &amp;lt; b">',
  );
  deepEqual([figure?.width, figure?.height, figure?.alt], [10, 9, "a < &lt; b"]);
});

Deno.test("runs are called by the ends of their paths that tell them apart", () => {
  deepEqual(labelsOf(["/runs/moons"]), ["moons"]);
  deepEqual(labelsOf(["/runs/moons", "/runs/scg"]), ["moons", "scg"]);
  deepEqual(labelsOf(["/a/moons", "/b/moons", "/b/scg"]), ["a/moons", "b/moons", "scg"]);
  deepEqual(labelsOf(["/moons", "/a/moons"]), ["moons", "a/moons"]);
});
