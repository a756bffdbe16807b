import { deepEqual, equal, match, rejects } from "assert";
import { join } from "node:path";
import { datasetNames, readDataset } from "../../../core/io/hdf5.ts";
import { inFolder } from "../../folders.ts";

Deno.test("groups that are very deep are named, and a data set within them is read by its path", () =>
  inFolder(async (folder) => {
    const path = join(folder, "deep.h5"), library = await import("h5wasm/node");
    await library.ready;
    const file = new library.File(path, "w");
    let group = file.create_group("g");
    for (let depth = 1; depth < 40; depth++) group = group.create_group("g");
    file.create_group("near").create_dataset({ name: "x", data: Float64Array.of(1, 2, 3), shape: [3] });
    let tenth = file.create_group("ten");
    for (let depth = 1; depth < 36; depth++) tenth = tenth.create_group("g");
    tenth.create_dataset({ name: "x", data: Float64Array.of(4, 5), shape: [2] });
    file.close();
    await rejects(datasetNames(path), (error) => {
      match((error as Error).message, /deep\.h5 has groups more than 32 deep\. Name the data set that is meant, as in/);
      return true;
    });
    equal((await readDataset(path, "near/x")).data.length, 3);
    deepEqual([...(await readDataset(path, `ten/${"g/".repeat(35)}x`)).data], [4, 5]);
  }));

Deno.test("a circle of hard links ends", () =>
  inFolder(async (folder) => {
    const path = join(folder, "circle.h5"), library = await import("h5wasm/node");
    const module = await library.ready;
    const file = new library.File(path, "w"), group = file.create_group("a");
    group.create_dataset({ name: "x", data: Float64Array.of(1, 2), shape: [2] });
    module.create_hard_link(file.file_id, "/a", "/a/again");
    file.close();
    deepEqual(await datasetNames(path), ["a/x"]);
  }));
