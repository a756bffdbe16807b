import { deepEqual, equal, ok, rejects } from "assert";
import { join } from "node:path";
import { encodeSafetensors } from "../../../core/io/safetensors.ts";
import { readWeightFiles, readWeights, WeightsError } from "../../../core/io/weights.ts";
import { inFolder } from "../../folders.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;
const UNET = new URL("../../reference/unet/config_a/", import.meta.url).pathname;

Deno.test("the weights of a U-Net are the same from its .bin and its .safetensors", async () => {
  const bin = await readWeights(`${UNET}bin/diffusion_pytorch_model.bin`);
  const safetensors = await readWeights(`${UNET}safetensors/diffusion_pytorch_model.safetensors`);
  deepEqual(Object.keys(bin).sort(), Object.keys(safetensors).sort());
  ok(Object.keys(bin).length > 300);
  for (const [name, { shape, data }] of Object.entries(safetensors)) {
    deepEqual(bin[name].shape, shape, name);
    deepEqual(bin[name].data, data, name);
  }
});

Deno.test("the contents say which format a file has, and all floats come as float32", async () => {
  await inFolder(async (folder) => {
    await Deno.copyFile(`${FILES}tensors.bin`, join(folder, "a.safetensors"));
    await Deno.copyFile(`${FILES}tensors.safetensors`, join(folder, "b.bin"));
    const [a, b] = [await readWeights(join(folder, "a.safetensors")), await readWeights(join(folder, "b.bin"))];
    for (const [name, { shape, data }] of Object.entries(b)) {
      ok(data instanceof Float32Array, name);
      deepEqual([a[name].shape, a[name].data], [shape, data], name);
    }
    equal(a.double.data[0], Math.fround(Math.PI));
  });
});

Deno.test("integers are no weights, and a missing file is named", async () => {
  await rejects(readWeights(`${FILES}integers.bin`), (error) => {
    ok(error instanceof WeightsError && /num_batches_tracked" holds integers/.test(error.message), String(error));
    return true;
  });
  await rejects(readWeights(`${FILES}nowhere.bin`), { message: /Cannot read .*nowhere\.bin: there is no such file/ });
  await rejects(readWeights(`${FILES}legacy.bin`), { message: /before PyTorch 1\.6/ });
  await inFolder(async (folder) => {
    const path = join(folder, "x.bin");
    await Deno.writeTextFile(path, "");
    await rejects(readWeights(path), { message: /has 0 bytes/ });
    // 640 as a header's length starts as a pickle does.
    const name = "x".repeat(640 - '{"":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.length);
    const bytes = encodeSafetensors({ [name]: { shape: [1], data: Float32Array.of(3) } });
    deepEqual([...bytes.subarray(0, 3)], [0x80, 2, 0]);
    await Deno.writeFile(path, bytes);
    deepEqual([...(await readWeights(path))[name].data], [3]);
  });
});

Deno.test("weights in several files are put together, and none may be there twice", () =>
  inFolder(async (folder) => {
    const write = (name: string, tensors: Record<string, number>) => {
      const stored = Object.entries(tensors).map(([key, value]) => [key, { shape: [1], data: Float32Array.of(value) }]);
      return Deno.writeFile(join(folder, name), encodeSafetensors(Object.fromEntries(stored)));
    };
    await write("a.safetensors", { x: 1, y: 2 });
    await write("b.safetensors", { z: 3 });
    const [a, b] = ["a.safetensors", "b.safetensors"].map((name) => join(folder, name));
    const all = await readWeightFiles([a, b]);
    deepEqual(Object.entries(all).map(([name, { data }]) => [name, data[0]]), [["x", 1], ["y", 2], ["z", 3]]);
    await write("b.safetensors", { y: 3 });
    await rejects(readWeightFiles([a, b]), { message: /b\.safetensors: tensor "y" is in .*a\.safetensors too/ });
  }));

Deno.test("a pointer of Git LFS is no weights, whatever its name", () =>
  inFolder(async (folder) => {
    for (const name of ["x.bin", "x.pt", "x.safetensors"]) {
      await Deno.writeTextFile(
        join(folder, name),
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 9\n",
      );
      await rejects(readWeights(join(folder, name)), { message: /is a pointer of Git LFS.*git lfs pull/ });
    }
  }));
