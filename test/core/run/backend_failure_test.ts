import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import { runError } from "../../../core/engine/backend_errors.ts";
import { latestCheckpoint, loadCheckpoint } from "../../../core/io/checkpoints.ts";
import { oneRank } from "../../../core/mpi/mod.ts";
import { runTrainingTask, type TrainingTask } from "../../../core/run/training_task.ts";
import { inFolder } from "../../folders.ts";

/** train:2d in small, with a device that fails where it is told to. */
function task(failsAt: (epoch: number) => boolean): TrainingTask {
  return {
    name: "train:2d",
    summary: "",
    defaults: {
      dataset: "scg",
      denoiser: "mlp",
      epochs: 3,
      batchSize: 128,
      learningRate: 1e-3,
      evalBatchSize: 256,
      validationLevels: 1,
    },
    unsupported: () => undefined,
    measure: { testLevels: 1, curvePoints: 9, curveSamples: 100 },
    show: () => ({
      onEpoch({ epoch }) {
        if (failsAt(epoch)) throw runError("onnx-webgpu", "device lost: the driver restarted");
        return Promise.resolve();
      },
    }),
  };
}

Deno.test("a device that is lost in mid-run leaves a checkpoint, and a message that says what to lower and how to go on", async () => {
  await inFolder(async (folder) => {
    const args = (out: string) => [
      ...["scg", "--points", "512", "--hidden-size", "8", "--embedding-size", "8", "--threads", "1"],
      ...["--backend", "onnx-cpu", "--quiet", "--out", out],
    ];
    const [whole, broken] = [join(folder, "whole"), join(folder, "broken")];
    await runTrainingTask(task(() => false), args(whole), oneRank());
    await rejects(
      runTrainingTask(task((epoch) => epoch === 2), args(broken), oneRank()),
      (error: Error & { exitCode?: number }) => {
        equal(error.exitCode, 1);
        ok(/^The device was lost \(onnx-webgpu: .*--micro-batch-size.*--eval-batch-size/.test(error.message));
        ok(/What was trained is saved\. Go on with: deno task train:2d --resume .*broken$/.test(error.message));
        return true;
      },
    );
    const saved = await loadCheckpoint((await latestCheckpoint(broken))!);
    ok(saved.step > 0);
    await runTrainingTask(task(() => false), ["--resume", broken, "--quiet"], oneRank());
    const [expected, got] = await Promise.all(
      [whole, broken].map(async (path) => (await loadCheckpoint((await latestCheckpoint(path))!)).training),
    );
    deepEqual(got, expected);
  });
});
