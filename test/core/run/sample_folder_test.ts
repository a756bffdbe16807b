import { deepEqual, rejects } from "assert";
import { join } from "node:path";
import { sampleFolder } from "../../../core/run/sample_files.ts";
import { inFolder, namesIn } from "../../folders.ts";

/** Claims the folder, and writes files into it. */
async function drawInto(folder: string, files: readonly string[]): Promise<string[]> {
  using claimed = await sampleFolder(folder, "samples");
  for (const name of files) await Deno.writeTextFile(join(claimed.path, name), "");
  return await namesIn(claimed.path);
}

Deno.test("a folder of samples that ended without a summary is taken again; one that is whole is not, and loses its lock", () =>
  inFolder(async (cwd) => {
    const folder = join(cwd, "drawn");
    deepEqual(await drawInto(folder, []), [".lock"]);
    deepEqual(await namesIn(cwd), []);
    // As on a full disk.
    await drawInto(folder, ["samples.csv"]);
    deepEqual(await namesIn(folder), [".lock", "samples.csv"]);
    await drawInto(folder, ["samples.safetensors", "summary.json"]);
    deepEqual(await namesIn(folder), ["samples.safetensors", "summary.json"]);
    // Of a process that was killed in its last moment.
    await Deno.writeTextFile(join(folder, ".lock"), "4294967295");
    await rejects(drawInto(folder, []), /is not empty/);
    deepEqual(await namesIn(folder), ["samples.safetensors", "summary.json"]);
  }));
