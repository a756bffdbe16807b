import { match, ok, throws } from "assert";
import { estimatorsFigure } from "../../../core/figures/estimators.ts";
import type { EstimatorsRecord } from "../../../core/figures/records.ts";
import { renderSvg } from "../../../core/figures/mod.ts";

const RECORD: EstimatorsRecord = {
  title: "moons: one likelihood by three estimators",
  subtitle: "100 samples",
  estimates: [
    { name: "paired", nats: 0.62, stderr: 0.02, noiseStderr: 0.001 },
    { name: "ode", nats: -1234.5678, stderr: 0.02, noiseStderr: 0 },
  ],
  differences: Float64Array.from({ length: 100 }, (_, i) => Math.sin(i)),
  difference: [-0.00123, 0.0456],
  bound: {
    logsnr: Float64Array.of(3, 2, 1),
    divergence: Float64Array.of(0.1, 0.2, 0.15),
    stderr: Float64Array.of(0.01, 0.01, 0.01),
    prior: 0.002,
    decoder: -9.1,
  },
};

Deno.test("estimators stand side by side with their numbers, the differences and the bound's terms", async () => {
  const svg = await renderSvg(estimatorsFigure(RECORD));
  for (
    const expected of [/paired 0\.620 ± 0\.001</, /ode −1234\.6</, /−0\.0012 ± 0\.046 nats/, /decoder, −9\.100 nats/]
  ) {
    match(svg, expected);
  }
  // One sample, and estimates that are all the same, are drawn too.
  const [one] = RECORD.estimates;
  const few = { ...RECORD, estimates: [{ ...one, stderr: 0, noiseStderr: 0 }], differences: [0] };
  ok(!(await renderSvg(estimatorsFigure(few))).includes("NaN"));
  throws(() => estimatorsFigure({ ...RECORD, differences: [] }), /no differences/);
});
