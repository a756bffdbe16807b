/** Saves checkpoints into the folder of its first argument until it is killed. The tests kill it at random moments. */
import { latestCheckpoint, loadCheckpoint, saveCheckpoint } from "../../../core/io/checkpoints.ts";

const [folder] = Deno.args;
const latest = await latestCheckpoint(folder);
const first = latest === undefined ? 1 : (await loadCheckpoint(latest)).epoch + 1;
const encoder = new TextEncoder();
for (let epoch = first;; epoch++) {
  // Large enough that a kill often lands in the middle of a file.
  const tensors = { "layers.0.weight": { shape: [300, 300], data: new Float32Array(300 * 300).fill(epoch) } };
  await saveCheckpoint(folder, { epoch, step: 10 * epoch, model: tensors, training: tensors, state: { mark: epoch } });
  Deno.stdout.writeSync(encoder.encode(`${epoch}\n`));
}
