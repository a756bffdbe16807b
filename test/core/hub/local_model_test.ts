import assert from "assert";
import { findModelFiles, HubError, locateModel } from "../../../core/hub/mod.ts";
import { isModelName, parseModelId } from "../../../core/hub/model_id.ts";
import { inFolder } from "../../folders.ts";
import { CONFIG, fails, indexOf, SCHEDULER, WEIGHTS } from "./served_model.ts";

Deno.test("plain weights are taken before a variant, one variant with a note, and of several none", () =>
  inFolder(async (folder) => {
    const stem = "diffusion_pytorch_model", write = (name: string) => Deno.writeFile(`${folder}/${name}`, WEIGHTS);
    await Deno.writeFile(`${folder}/config.json`, CONFIG);
    await write(`${stem}.fp16.safetensors`);
    await write(`${stem}.fp16.bin`);
    const { weights, notes } = await findModelFiles(folder);
    assert.equal(weights, `${folder}/${stem}.fp16.safetensors`);
    assert.deepEqual(notes, [`weights: ${stem}.fp16.safetensors, the variant fp16, as there is no plain file`]);
    await write(`${stem}.non_ema.bin`);
    await fails(
      locateModel(folder),
      HubError,
      /has variants of its weights and no plain ones: .*\.fp16\.safetensors, .*\.non_ema\.bin\. Name one of these files/,
    );
    // A file of weights that is named is taken, as it is asked for; not one of several parts.
    const named = await locateModel(`${folder}/${stem}.non_ema.bin`);
    assert.deepEqual([named.config, named.shards, named.notes], [
      `${folder}/config.json`,
      [`${folder}/${stem}.non_ema.bin`],
      [],
    ]);
    await write(`${stem}-00001-of-00002.bin`);
    await fails(
      locateModel(`${folder}/${stem}-00001-of-00002.bin`),
      HubError,
      /is one of several parts\. Name the folder/,
    );
    await Deno.remove(`${folder}/${stem}-00001-of-00002.bin`);
    await write(`${stem}.bin`);
    const plain = await findModelFiles(folder);
    assert.deepEqual([plain.weights, plain.notes], [`${folder}/${stem}.bin`, []]);
    for (const name of [`${stem}.fp16.safetensors`, `${stem}.fp16.bin`, `${stem}.non_ema.bin`, `${stem}.bin`]) {
      await Deno.remove(`${folder}/${name}`);
    }
    // The index of a variant, by either name; its parts are no variants.
    for (const name of [`${stem}.safetensors.index.fp16.json`, `${stem}.fp16.safetensors.index.json`]) {
      const part = `${stem}.fp16-00001-of-00001.safetensors`;
      await Deno.writeFile(`${folder}/${name}`, indexOf(part));
      await write(part);
      const { shards, notes } = await findModelFiles(folder);
      assert.deepEqual([shards, notes.length], [[`${folder}/${part}`], 1]);
      await Deno.remove(`${folder}/${name}`);
    }
  }));

Deno.test("a scheduler lies beside a network only where the folder is part of a pipeline", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/scheduler`);
    await Deno.writeFile(`${folder}/scheduler/scheduler_config.json`, SCHEDULER);
    for (const name of ["unet", "network"]) {
      await Deno.mkdir(`${folder}/${name}`);
      await Deno.writeFile(`${folder}/${name}/config.json`, CONFIG);
      await Deno.writeFile(`${folder}/${name}/diffusion_pytorch_model.bin`, WEIGHTS);
    }
    const schedulerOf = async (name: string) => (await findModelFiles(`${folder}/${name}`)).scheduler;
    const beside = `${folder}/scheduler/scheduler_config.json`;
    assert.deepEqual([await schedulerOf("unet"), await schedulerOf("network")], [beside, undefined]);
    await Deno.writeTextFile(`${folder}/model_index.json`, "{}");
    assert.equal(await schedulerOf("network"), beside);
    await Deno.writeFile(`${folder}/unet/scheduler_config.json`, SCHEDULER);
    assert.equal(await schedulerOf("unet"), `${folder}/unet/scheduler_config.json`);
  }));

Deno.test("a model is found in a folder, and what is neither folder nor name is refused", () =>
  inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/model/unet`, { recursive: true });
    await fails(findModelFiles(`${folder}/model`), HubError, /model is not a diffusers U-Net: it has no config\.json/);
    await Deno.writeFile(`${folder}/model/unet/config.json`, CONFIG);
    await fails(locateModel(`${folder}/model`), HubError, /it has no diffusion_pytorch_model\.safetensors or/);
    await Deno.writeFile(`${folder}/model/unet/diffusion_pytorch_model.bin`, WEIGHTS);
    const { config, scheduler, weights } = await locateModel(`${folder}/model`);
    assert.deepEqual([await Deno.readFile(config), await Deno.readFile(weights), scheduler], [
      CONFIG,
      WEIGHTS,
      undefined,
    ]);
    await fails(locateModel(config), HubError, /is a file\. Name the folder/);
    for (const name of [`${folder}/none`, "./none", "a/b/c", "~/x", "C:\\x", "no name"]) {
      await fails(locateModel(name), HubError, /There is no folder/);
    }
  }));

Deno.test("names of models are checked before they become paths", () => {
  for (const good of ["gpt2", "google/ddpm-cifar10-32", "a/b.c_d", "1x/y"]) assert.ok(isModelName(good), good);
  for (
    const bad of [
      "",
      ".",
      "..",
      "../x",
      "a/..",
      "a/b/c",
      "a--b/c",
      "a/b..c",
      "/a",
      "a/",
      "a b",
      "-a/b",
      "a/b-",
      "x".repeat(97),
    ]
  ) {
    assert.ok(!isModelName(bad), bad);
    assert.throws(() => parseModelId(bad), HubError);
  }
  assert.deepEqual(parseModelId("a/b@refs/pr/1"), { id: "a/b", revision: "refs/pr/1" });
  assert.deepEqual(parseModelId("a/b", "v1"), { id: "a/b", revision: "v1" });
  for (const bad of ["", "../x", "a/../b", "/a", "a//b", ".a", "a/.b", "a b", "a?b", "a/"]) {
    assert.throws(() => parseModelId(`a/b@${bad}`), HubError, bad);
  }
});
