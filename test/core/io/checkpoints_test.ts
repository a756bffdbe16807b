import { join } from "node:path";
import assert from "assert";
import {
  type Checkpoint,
  CheckpointError,
  latestCheckpoint,
  loadCheckpoint,
  removeOtherCheckpoints,
  saveCheckpoint,
} from "../../../core/io/checkpoints.ts";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { inFolder, namesIn } from "../../folders.ts";

function checkpointOf(epoch: number): Checkpoint {
  const weight = { shape: [2, 2], data: new Float32Array([epoch, 1, 2, 3]) };
  return {
    epoch,
    step: 56 * epoch,
    model: { "layers.0.weight": weight },
    training: { "adam.m/layers.0.weight": weight, "empty": { shape: [0], data: new Float32Array(0) } },
    state: { recipe: "seed", nll: [1.25, null], nested: { seed: 0 } },
  };
}

Deno.test("a checkpoint survives a round trip, and only the newest stays", () =>
  inFolder(async (run) => {
    assert.equal(await latestCheckpoint(run), undefined);
    for (const epoch of [0, 1, 160]) {
      const folder = await saveCheckpoint(run, checkpointOf(epoch));
      assert.equal(await latestCheckpoint(run), folder);
      assert.deepEqual(await loadCheckpoint(folder), checkpointOf(epoch));
    }
    assert.deepEqual(await namesIn(`${run}/checkpoints`), ["000160"]);
    assert.deepEqual(await namesIn(`${run}/checkpoints/000160`), [
      "model.safetensors",
      "state.json",
      "training.safetensors",
    ]);
  }));

Deno.test("the same epoch can be saved again and again", () =>
  inFolder(async (run) => {
    for (const step of [1, 2, 3]) {
      const folder = await saveCheckpoint(run, { ...checkpointOf(5), step });
      assert.equal(await latestCheckpoint(run), folder);
      assert.equal((await loadCheckpoint(folder)).step, step);
      assert.equal((await namesIn(`${run}/checkpoints`)).length, 1);
    }
  }));

Deno.test("incomplete folders are passed over, leftovers removed, the user's own files left alone", () =>
  inFolder(async (run) => {
    const folder = await saveCheckpoint(run, checkpointOf(3));
    const leftover = `${run}/checkpoints/.tmp-123-0123456789ab`;
    await Deno.mkdir(leftover);
    await Deno.writeTextFile(`${leftover}/state.json`, "{}");
    await Deno.mkdir(`${run}/checkpoints/000009`);
    await Deno.writeTextFile(`${run}/checkpoints/000010`, "a file");
    await Deno.writeTextFile(`${run}/checkpoints/notes.txt`, "mine");
    assert.equal(await latestCheckpoint(run), folder);
    await saveCheckpoint(run, checkpointOf(4));
    assert.deepEqual(await namesIn(`${run}/checkpoints`), ["000004", "notes.txt"]);
  }));

Deno.test("epochs are ordered as numbers", () =>
  inFolder(async (run) => {
    const saved = await saveCheckpoint(run, checkpointOf(999_999));
    await Deno.rename(saved, `${run}/aside`);
    const newer = await saveCheckpoint(run, checkpointOf(1_000_000));
    await Deno.rename(`${run}/aside`, saved);
    assert.equal(await latestCheckpoint(run), newer);
  }));

Deno.test("what JSON cannot hold is refused before anything is written", () =>
  inFolder(async (run) => {
    await assert.rejects(
      saveCheckpoint(run, { ...checkpointOf(1), state: { best: { nll: Infinity } } }),
      /"nll" is Inf/,
    );
    await assert.rejects(saveCheckpoint(run, { ...checkpointOf(1), epoch: 1.5 }), /The epoch is 1.5/);
    assert.equal(await latestCheckpoint(run), undefined);
  }));

Deno.test("what lies beside a whole checkpoint is removed: older ones, parts of them, and what was not finished", () =>
  inFolder(async (folder) => {
    const newest = await saveCheckpoint(folder, checkpointOf(4));
    const parent = join(folder, "checkpoints");
    for (const name of ["000002", ".tmp-1-0123456789ab", "notes"]) {
      await Deno.mkdir(join(parent, name));
      await Deno.writeTextFile(join(parent, name, "state.json"), "{}");
    }
    await removeOtherCheckpoints(newest);
    assert.deepEqual(await namesIn(parent), ["000004", "notes"]);
    assert.equal((await loadCheckpoint(newest)).epoch, 4);
  }));

Deno.test("each fault of a checkpoint is named in one line", () =>
  inFolder(async (run) => {
    const folder = await saveCheckpoint(run, checkpointOf(7));
    const files = ["model.safetensors", "training.safetensors", "state.json"].map((name) => `${folder}/${name}`);
    const good = await Promise.all(files.map((path) => Deno.readFile(path)));
    const [model, training, state] = files;
    const text = new TextDecoder().decode(good[2]);
    const x = { shape: [1], data: new Float32Array(1) };
    const faults: [string, Uint8Array | string | undefined, RegExp][] = [
      [model, undefined, /it has no model\.safetensors/],
      [training, undefined, /it has no training\.safetensors/],
      [state, undefined, /it has no state\.json/],
      [model, good[0].subarray(0, 100), /model\.safetensors: /],
      [training, "not a safetensors file", /training\.safetensors: /],
      [
        training,
        encodeSafetensors({ x }, { epoch: "6", step: "392" }),
        /of epoch 7, step 392, but its training.* epoch 6/,
      ],
      [model, encodeSafetensors({ x }), /of epoch 7, step 392, but its model.* epoch unknown/],
      [
        model,
        encodeSafetensors({ x: { shape: [1], data: new Int32Array(1) } }, { epoch: "7", step: "392" }),
        /"x" is I32/,
      ],
      [state, "{", /state\.json is not valid JSON/],
      [state, "[]", /does not say "itdiffusion-checkpoint"/],
      [state, '{"format":"other","version":1}', /does not say "itdiffusion-checkpoint"/],
      [state, text.replace('"version": 1', '"version": 2'), /has the version 2, but this program reads version 1/],
      [state, text.replace('"epoch": 7', '"epoch": -7'), /no valid epoch and step/],
      [state, text.replace('"epoch": 7', '"epoch": 8'), /named for epoch 7, but its state\.json is of epoch 8/],
      [state, '{"format":"itdiffusion-checkpoint","version":1,"epoch":7,"step":392}', /has no state/],
    ];
    for (const [path, contents, pattern] of faults) {
      if (contents === undefined) await Deno.remove(path);
      else await Deno.writeFile(path, typeof contents === "string" ? new TextEncoder().encode(contents) : contents);
      await assert.rejects(loadCheckpoint(folder), (error) => {
        assert.ok(error instanceof CheckpointError, String(error));
        assert.match(error.message, pattern);
        assert.ok(!error.message.includes("\n"));
        return true;
      });
      await Deno.writeFile(path, good[files.indexOf(path)]);
    }
    assert.deepEqual(await loadCheckpoint(folder), checkpointOf(7));
    await assert.rejects(loadCheckpoint(`${run}/none`), /it has no state\.json/);
  }));

Deno.test("a process killed at any moment leaves a checkpoint that loads", () =>
  inFolder(async (run) => {
    const script = new URL("./save_loop.ts", import.meta.url).pathname;
    let seen = 0;
    for (let attempt = 0; attempt < 10; attempt++) {
      const child = new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-check", "--allow-read", "--allow-write", script, run],
        stdout: "piped",
      }).spawn();
      const reader = child.stdout.getReader();
      const { value } = await reader.read();
      assert.ok(value, "the sub-process saved nothing");
      seen = Number.parseInt(new TextDecoder().decode(value));
      // At some moment of the next saves, by the number of files that they have made or moved.
      const watcher = Deno.watchFs(run, { recursive: true });
      let events = Math.floor(Math.random() * 40);
      for await (const _ of watcher) if (events-- === 0) break;
      child.kill("SIGKILL");
      while (!(await reader.read()).done);
      await child.status;

      const latest = await latestCheckpoint(run);
      assert.ok(latest, "no checkpoint is left");
      const { epoch, step, model, training, state } = await loadCheckpoint(latest);
      assert.ok(epoch >= seen, `epoch ${epoch} is left of ${seen}`);
      assert.equal(step, 10 * epoch);
      assert.equal(state.mark, epoch);
      for (const tensors of [model, training]) {
        assert.ok(tensors["layers.0.weight"].data.every((value) => value === epoch));
      }
    }
    await saveCheckpoint(run, checkpointOf(seen + 1_000_000));
    assert.equal((await namesIn(`${run}/checkpoints`)).length, 1);
  }));
