import assert from "assert";
import { StorageError, writeFileAtomic } from "../../core/io/atomic.ts";
import { runTask } from "../tasks/command.ts";
import { latestCheckpoint, loadCheckpoint, saveCheckpoint } from "../../core/io/checkpoints.ts";
import { encodeSafetensors } from "../../core/io/safetensors.ts";
import { Random } from "../../core/random/random.ts";
import { makeRun } from "../core/run/runs.ts";
import { inFolder, namesIn } from "../folders.ts";

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const { success } = await new Deno.Command(command, { args, stdout: "null", stderr: "null" }).output();
  return success;
}

/** Runs a test in a file system of one megabyte. Where none can be mounted, says so by returning false. */
async function onSmallDisk(test: (folder: string) => Promise<void>): Promise<boolean> {
  const folder = await Deno.makeTempDir();
  try {
    if (Deno.build.os !== "linux" || !await succeeds("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)) {
      return false;
    }
    try {
      await test(folder);
    } finally {
      assert.ok(await succeeds("umount", folder), `${folder} is still mounted`);
    }
    return true;
  } finally {
    await Deno.remove(folder);
  }
}

const canMount = await onSmallDisk(async () => {});

Deno.test({
  name: "a full disk leaves the old file as it was and no temporary file",
  ignore: !canMount,
  fn: async () => {
    const ran = await onSmallDisk(async (disk) => {
      await writeFileAtomic(`${disk}/figure.svg`, "old");
      await assert.rejects(writeFileAtomic(`${disk}/figure.svg`, new Uint8Array(2_000_000)), (error) => {
        assert.ok(error instanceof StorageError, String(error));
        assert.match(error.message, /figure\.svg: the disk is full\. Free some space/);
        return true;
      });
      assert.equal(await Deno.readTextFile(`${disk}/figure.svg`), "old");
      assert.deepEqual(await namesIn(disk), ["figure.svg"]);
    });
    assert.ok(ran);
  },
});

Deno.test({
  name: "a full disk leaves the last checkpoint",
  ignore: !canMount,
  fn: async () => {
    const ran = await onSmallDisk(async (disk) => {
      const tensors = (length: number) => ({ weight: { shape: [length], data: new Float32Array(length).fill(1) } });
      const small = { epoch: 1, step: 1, model: tensors(1000), training: tensors(1000), state: {} };
      const saved = await saveCheckpoint(disk, small);
      const large = { ...small, epoch: 2, training: tensors(300_000) };
      await assert.rejects(saveCheckpoint(disk, large), StorageError);
      assert.equal(await latestCheckpoint(disk), saved);
      assert.deepEqual(await loadCheckpoint(saved), small);
      assert.deepEqual(await namesIn(`${disk}/checkpoints`), ["000001"]);
    });
    assert.ok(ran);
  },
});

Deno.test({
  name: "a run on a full disk ends in one line, with the last checkpoint whole",
  ignore: !canMount,
  fn: async () => {
    const ran = await onSmallDisk(async (disk) => {
      // The state of the default network does not fit twice into a megabyte.
      const { code, stderr } = await runTask("train:2d", ["scg", "--epochs", "3", "--quiet", "--out", `${disk}/run`]);
      assert.equal(code, 2, stderr);
      assert.match(stderr, /^error: [^\n]*the disk is full[^\n]*\n$/);
      assert.deepEqual((await namesIn(`${disk}/run`)).includes("config.json"), true);
      const latest = await latestCheckpoint(`${disk}/run`);
      if (latest) await loadCheckpoint(latest);
    });
    assert.ok(ran);
  },
});

Deno.test({
  name: "likelihoods of samples that do not fit on the disk are one line, in either form, and leave nothing",
  ignore: !canMount,
  fn: () =>
    inFolder(async (cwd) => {
      await makeRun(`${cwd}/run`, { shape: [2] });
      const data = Random.fromSeed(0).normalTensor([60_000, 2]);
      await Deno.writeFile(`${cwd}/data.safetensors`, encodeSafetensors({ x: data }));
      const ran = await onSmallDisk(async (disk) => {
        await Deno.writeFile(`${disk}/filler`, new Uint8Array(500_000));
        for (const form of ["h5", "csv"]) {
          const args = ["run", "--data", "data.safetensors", "--rounds", "1", "--quiet"];
          const ended = await runTask("nll", [...args, "--per-sample", `${disk}/out.${form}`], cwd);
          assert.deepEqual([ended.code, ended.stdout], [2, ""], ended.stderr);
          assert.match(ended.stderr, /^error: [^\n]*out\.(h5|csv): the disk is full[^\n]*\n$/);
          assert.deepEqual(await namesIn(disk), ["filler"]);
        }
      });
      assert.ok(ran);
    }),
});
