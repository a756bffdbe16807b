import { equal, match, ok, throws } from "assert";
import { join } from "node:path";
import { comparedLoss, comparedMse } from "../../../core/report/comparison_figures.ts";
import { MAX_SERIES, overlayFigure, seriesStyle } from "../../../core/report/overlay_figure.ts";
import { reportPage } from "../../../core/report/page.ts";
import { reportOf } from "../../../core/report/run_report.ts";
import { pageStyle } from "../../../core/report/style.ts";
import { inFolder } from "../../folders.ts";
import { makeFinishedRun, SUMMARY } from "./report_runs.ts";

const METRICS = [1, 2].map((epoch) => ({
  ...{ epoch, step: epoch, train_nll: 2, val_nll: 3 - epoch, val_nll_stderr: 0.1, seconds: 1 },
}));
const CURVE = { logsnr: [-1, 0, 1], mse: [0.2, 0.5, 0.9], stderr: [0, 0, 0], gaussian: [0.3, 0.6, 1] };

Deno.test("a run has one colour in both figures and in the table", async () => {
  const runs = ["a", "b", "c"].map((label) => ({ label, metrics: METRICS, curve: CURVE }));
  const [loss, mse] = [await comparedLoss(runs), await comparedMse(runs)];
  for (const i of [0, 1, 2]) {
    const { colour } = seriesStyle(i);
    ok(loss?.svg.includes(`stroke="${colour}"`) && mse?.svg.includes(`stroke="${colour}"`));
    ok(pageStyle().includes(`--series-${i}:${colour}`));
  }
  match(mse!.svg, /Gaussian MMSE/);
  const other = { label: "d", metrics: METRICS, curve: { ...CURVE, gaussian: [1, 1, 1] } };
  ok(!(await comparedMse([...runs, other]))!.svg.includes("Gaussian MMSE"));
});

Deno.test("runs without an epoch or a curve leave their place, and none at all leave the figure out", async () => {
  const none = { label: "none", metrics: [] };
  equal(await comparedLoss([none]), undefined);
  equal(await comparedMse([none]), undefined);
  const drawn = await comparedLoss([none, { label: "one", metrics: METRICS.slice(0, 1) }]);
  ok(drawn?.svg.includes(`stroke="${seriesStyle(1).colour}"`));
  throws(
    () => overlayFigure({ title: "", xTitle: "", yTitle: "", description: "", series: [], yDomain: [0, 1] }),
    RangeError,
  );
  equal(new Set(Array.from({ length: MAX_SERIES }, (_, i) => JSON.stringify(seriesStyle(i)))).size, MAX_SERIES);
});

Deno.test("runs of points are compared by their measured curves, others say why not", () =>
  inFolder(async (folder) => {
    const [a, b] = ["a", "b"].map((name) => join(folder, name));
    for (const path of [a, b]) await Deno.mkdir(path);
    await makeFinishedRun(a, { config: { datasetOptions: { points: 200 } } });
    await makeFinishedRun(b, { config: { dataset: join(folder, "gone.csv") }, summary: { ...SUMMARY, entropy: null } });
    const options = { live: false, curves: true };
    const reports = [await reportOf(a, "a", options), await reportOf(b, "b", options)];
    equal(reports[0].curve?.mse.length, 97);
    match(reports[1].notes.join(), /^Its error is not shown: The data set .*gone\.csv is not there/);
    const page = await reportPage(reports);
    match(page, /<h1>2 runs compared<\/h1>/);
    match(page, /b: Its error is not shown/);
    match(page, /of different data/);
    match(page, /<span class="swatch series-1"><\/span>b<\/th>\s*<td>1\.250 ± 0\.030<\/td>/);
  }));
