import { equal, match } from "assert";
import { floatSamples } from "../../../core/data/samples.ts";
import { unresolvedNote } from "../../../core/model/unresolved_directions.ts";
import { Random } from "../../../core/random/random.ts";
import { fitGaussian } from "../../../core/reference/gaussian.ts";

Deno.test("directions that vary less than the log SNRs resolve are counted", () => {
  const values = Random.fromSeed(1).fillNormal(new Float32Array(400 * 4));
  const proposal = { loc: 6, scale: 3 };
  equal(unresolvedNote(fitGaussian(floatSamples(values, 4)), proposal), undefined);
  // A border that never varies, and one that does by less than anything that is drawn.
  for (let row = 0; row < values.length; row += 4) {
    values[row] = -1;
    values[row + 1] *= 1e-5;
  }
  const note = unresolvedNote(fitGaussian(floatSamples(values, 4)), proposal)!;
  match(note, /^likelihood: 2 of 4 directions hardly vary, less than the log SNRs up to 18\.0 resolve/);
  equal(unresolvedNote(fitGaussian(floatSamples(values.map((v) => 100 * v), 4)), { loc: 20, scale: 4 }), undefined);
});
