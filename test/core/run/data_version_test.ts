import { equal, notEqual } from "assert";
import { join } from "node:path";
import { versionOf } from "../../../core/run/data_version.ts";
import { inFolder } from "../../folders.ts";

Deno.test("data has another version once a file of it has changed, however deep it lies", () =>
  inFolder(async (folder) => {
    const path = join(folder, "pets"), deep = join(path, "test", "cat", "1.png");
    await Deno.mkdir(join(path, "test", "cat"), { recursive: true });
    await Deno.writeFile(deep, new Uint8Array(3));
    const first = await versionOf(path);
    equal(await versionOf(path), first);
    await Deno.writeFile(deep, new Uint8Array(4));
    notEqual(await versionOf(path), first);
    const images = join(folder, "a-images-idx3-ubyte"), labels = join(folder, "a-labels-idx1-ubyte");
    await Deno.writeFile(images, new Uint8Array(3));
    const alone = await versionOf(images);
    await Deno.writeFile(labels, new Uint8Array(3));
    const told = await versionOf(images);
    notEqual(told, alone);
    await Deno.utime(labels, new Date(0), new Date(0));
    notEqual(await versionOf(images), told);
    const table = join(folder, "x.csv");
    await Deno.writeTextFile(table, "a,b\n");
    const { size, mtime } = await Deno.stat(table);
    equal(await versionOf(table), `${size} ${mtime!.getTime()}`);
  }));
