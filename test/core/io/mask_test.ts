import { deepEqual, equal, match, rejects } from "assert";
import { encode } from "fast-png";
import { join } from "node:path";
import { readMask } from "../../../core/io/mask.ts";
import { inFolder } from "../../folders.ts";

Deno.test("a mask is white or transparent where a picture is to be filled in", () =>
  inFolder(async (cwd) => {
    const write = async (name: string, channels: 1 | 2 | 3 | 4, data: number[]) => {
      const path = join(cwd, name), height = data.length / channels / 2;
      await Deno.writeFile(path, encode({ width: 2, height, channels, depth: 8, data: Uint8Array.from(data) }));
      return path;
    };
    const grey = await readMask(await write("grey.png", 1, [0, 255, 100, 200, 0, 0]));
    deepEqual([...grey.isMissing], [0, 1, 0, 1, 0, 0]);
    deepEqual([grey.width, grey.height, grey.missing], [2, 3, 2]);
    match(grey.description, /^2 of 2 x 3 pixels .* white or transparent; 2 pixels of neither taken to the nearer$/);
    deepEqual([...(await readMask(await write("alpha.png", 2, [0, 255, 0, 0]))).isMissing], [0, 1]);
    const colour = await readMask(await write("colour.png", 4, [255, 255, 255, 255, 255, 0, 0, 255]));
    deepEqual([...colour.isMissing], [1, 0]);
    await rejects(readMask(await write("black.png", 1, [0, 0])), /black: nothing is to be filled in/);
    await rejects(
      readMask(await write("white.png", 3, [255, 255, 255, 255, 255, 255])),
      /white: all is to be filled in/,
    );
    await rejects(readMask(join(cwd, "none.png")), /there is no such file/);
    await Deno.writeTextFile(join(cwd, "text.png"), "text");
    await rejects(readMask(join(cwd, "text.png")), /no PNG, JPEG or WebP picture/);
    const cut = (await Deno.readFile(join(cwd, "grey.png"))).slice(0, 50);
    await Deno.writeFile(join(cwd, "cut.png"), cut);
    await rejects(readMask(join(cwd, "cut.png")), /cannot be decoded/);
    equal((await Deno.stat(join(cwd, "cut.png"))).size, 50);
  }));
