import { deepEqual, equal, match, ok, rejects } from "assert";
import { join } from "node:path";
import sharp from "sharp";
import { toFloat32 } from "../../../core/data/samples.ts";
import { load } from "../../../core/files/load_file.ts";
import { openPictures, type PictureOptions } from "../../../core/io/images.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { Random } from "../../../core/random/random.ts";
import { inFolder } from "../../folders.ts";
import { pngFile, type PngForm } from "./png_file.ts";

const random = Random.fromSeed(0);

/** A picture of bytes, channels last. */
interface Bytes {
  readonly pixels: readonly number[];
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
}

/** A picture with values of so many bits at most, in shades that these have. */
function someBytes(seed: number, channels: 1 | 3, bits: number): Bytes {
  const own = random.split(seed), width = 1 + own.integer(9), height = 1 + own.integer(9), most = 2 ** bits - 1;
  const pixels = Array.from({ length: width * height * channels }, () => own.integer(most + 1) * 255 / most);
  return { pixels, width, height, channels };
}

/** A picture before it is turned as an orientation says. */
function unturned({ pixels, width, height, channels }: Bytes, orientation: number): Bytes {
  const isAcross = orientation >= 5, [w, h] = isAcross ? [height, width] : [width, height];
  const out = Array.from({ length: w * h }, (_, at) => {
    const x = at % w, y = Math.floor(at / w);
    // Where a stored pixel is seen, by the table of EXIF 2.3: row 0 is the visual top, right, bottom, left and so on.
    const [u, v] = [
      [x, y],
      [w - 1 - x, y],
      [w - 1 - x, h - 1 - y],
      [x, h - 1 - y],
      [y, x],
      [h - 1 - y, x],
      [h - 1 - y, w - 1 - x],
      [y, w - 1 - x],
    ][orientation - 1];
    return pixels.slice((v * width + u) * channels, (v * width + u + 1) * channels);
  });
  return { pixels: out.flat(), width: w, height: h, channels };
}

async function read(folder: string, file: Uint8Array, options: PictureOptions = {}) {
  const path = join(folder, "x.png");
  await Deno.writeFile(path, file);
  using rows = await openPictures([path], [], options);
  return { ...readAll(rows, path), notes: rows.notes ?? [] };
}

/** The forms that hold values of so many bits exactly. */
function formsOf({ pixels, channels }: Bytes, bits: number): PngForm[] {
  const colours = new Set(
    Array.from({ length: pixels.length / channels }, (_, i) => `${pixels.slice(i * channels, (i + 1) * channels)}`),
  );
  const depths = ([1, 2, 4, 8, 16] as const).filter((depth) => depth % bits === 0);
  const kinds = channels === 1 ? ["grey", "grey alpha"] as const : ["rgb", "rgba"] as const;
  return [
    ...depths.flatMap((depth) =>
      kinds.filter((kind) => kind === "grey" || depth >= 8).map((kind) => ({ depth, kind }))
    ),
    ...([1, 2, 4, 8] as const).filter((depth) => 2 ** depth >= colours.size).map((depth) => ({
      depth,
      kind: "palette" as const,
    })),
  ];
}

Deno.test("a picture is the same whatever the bits, palette, alpha channel and orientation it is stored with", () =>
  inFolder(async (folder) => {
    let forms = 0;
    for (let seed = 0; seed < 40; seed++) {
      const channels = seed % 2 === 0 ? 1 : 3, bits = [1, 2, 4, 8][Math.floor(seed / 2) % 4];
      const bytes = someBytes(seed, channels, bits), { width, height, pixels } = bytes;
      const isGrey = channels === 1 || pixels.every((v, i) => v === pixels[i - i % 3]);
      const planar = Array.from({ length: channels * width * height }, (_, at) => {
        const size = width * height;
        return pixels[at % size * channels + Math.floor(at / size)];
      });
      for (const form of formsOf(bytes, bits)) {
        if (isGrey && channels === 3) continue;
        const orientation = 1 + random.split(forms++).integer(8);
        const stored = unturned(bytes, orientation);
        const { shape, data, notes } = await read(folder, pngFile(stored.pixels, stored, { ...form, orientation }));
        const what = `${JSON.stringify({ seed, ...form, orientation })} ${notes}`;
        deepEqual(shape, [1, channels, height, width], what);
        deepEqual([...data], planar.map((v) => form.depth === 16 ? 257 * v : v), what);
        equal(notes.some((note) => /turned upright/.test(note)), orientation > 1, what);
      }
    }
    ok(forms > 120, `${forms}`);
  }));

Deno.test("JPEG and WebP are turned as PNG is", () =>
  inFolder(async (folder) => {
    const bytes: Bytes = {
      pixels: Array.from({ length: 96 }, (_, i) => 20 * (i % 8) + 10 * Math.floor(i / 8)).flatMap((v) => [v, v, v]),
      width: 8,
      height: 12,
      channels: 3,
    };
    for (let orientation = 1; orientation <= 8; orientation++) {
      const { pixels, width, height } = unturned(bytes, orientation), raw = { width, height, channels: 3 as const };
      const image = () => sharp(Uint8Array.from(pixels), { raw }).withMetadata({ orientation });
      const files = [
        await image().jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toBuffer(),
        await image().webp({ lossless: true }).toBuffer(),
      ];
      for (const [k, file] of files.entries()) {
        const { shape, data } = await read(folder, file);
        deepEqual(shape, [1, 3, 12, 8]);
        for (let i = 0; i < 96; i++) ok(Math.abs(data[i] - bytes.pixels[3 * i]) <= (k === 0 ? 3 : 0), `${orientation}`);
      }
    }
  }));

Deno.test("pictures of 8 and 16 bits are the same to a model", () =>
  inFolder(async (folder) => {
    const all: Float32Array[] = [];
    for (const depth of [8, 16] as const) {
      const path = join(folder, `${depth}`);
      await Deno.mkdir(path);
      for (let n = 0; n < 6; n++) {
        const pixels = Array.from({ length: 12 }, (_, i) => (37 * n + 23 * i) % 256);
        await Deno.writeFile(
          join(path, `${n}.png`),
          pngFile(pixels, { width: 4, height: 3, channels: 1 }, { depth, kind: "grey" }),
        );
      }
      const { train, range } = await load(random, { path });
      deepEqual(range, [-1, 1]);
      all.push(toFloat32(train));
    }
    all[0].forEach((value, i) => ok(Math.abs(value - all[1][i]) < 1e-6));
  }));

Deno.test("what is transparent is refused, or laid over a background that is said", () =>
  inFolder(async (folder) => {
    const size = { width: 2, height: 1, channels: 3 as const }, alpha = [255, 51];
    const file = (kind: "rgba" | "grey alpha", depth: 8 | 16 = 8) =>
      pngFile(
        kind === "rgba" ? [10, 20, 30, 100, 150, 200] : [10, 100],
        { ...size, channels: kind === "rgba" ? 3 : 1 },
        { depth, kind },
        alpha,
      );
    await rejects(read(folder, file("rgba")), /transparent at row 0, column 1 \(from 0\).*--background white/);
    // (1 − 0.2)·255 + 0.2·v.
    const white = { background: [255, 255, 255] as const };
    const { data, notes } = await read(folder, file("rgba"), white);
    deepEqual([[...data], notes], [[10, 224, 20, 234, 30, 244], ["the picture laid over the background"]]);
    deepEqual([...(await read(folder, file("rgba", 16), white)).data], [10, 224, 20, 234, 30, 244].map((v) => 257 * v));
    deepEqual([...(await read(folder, file("grey alpha"), white)).data], [10, 224]);
    // A grey picture over a colour is one of colour.
    const coloured = await read(folder, file("grey alpha"), { background: [255, 0, 100] });
    deepEqual([coloured.shape, [...coloured.data]], [[1, 3, 1, 2], [10, 224, 10, 20, 10, 100]]);
  }));

Deno.test("pictures are brought to one size around their middle, as by Pillow", () =>
  inFolder(async (folder) => {
    const write = async (name: string, width: number, height: number) => {
      const pixels = Array.from({ length: width * height }, (_, i) => i * i % 251);
      await Deno.writeFile(
        join(folder, name),
        pngFile(pixels, { width, height, channels: 1 }, { depth: 8, kind: "grey" }),
      );
      return join(folder, name);
    };
    const paths = [await write("a.png", 9, 6), await write("b.png", 3, 3), await write("c.png", 2, 2)];
    await rejects(openPictures(paths), /b\.png has 3 x 3 pixels, but .*a\.png has 9 x 6\. .*--size 32/);
    using rows = await openPictures(paths, [], { size: { width: 3, height: 3 } });
    const { shape, data } = readAll(rows, "x");
    deepEqual(shape, [3, 1, 3, 3]);
    // ImageOps.fit(Image.fromarray(pixels), (3, 3), Image.BILINEAR).
    [76, 105, 96, 121, 152, 90, 127, 123, 108, 0, 1, 1, 2, 4, 5, 4, 7, 9].forEach((value, i) =>
      ok(Math.abs(data[i < 9 ? i : i + 9] - value) <= 1, `${data}`)
    );
    deepEqual([...data.subarray(9, 18)], [0, 1, 4, 9, 16, 25, 36, 49, 64]);
    match(
      rows.notes!.join("; "),
      /^2 of 3 pictures resized to 3 x 3, cut to that ratio around the middle 1 of them, enlarged 1 of them$/,
    );
  }));

Deno.test("many large pictures are read without holding more than some at a time, and the first bad one is told", () =>
  inFolder(async (folder) => {
    const paths: string[] = [], big = { width: 3000, height: 2000, channels: 3 as const };
    const file = await sharp({ create: { ...big, background: { r: 10, g: 200, b: 30 } } }).png().toBuffer();
    for (let n = 0; n < 20; n++) {
      paths.push(join(folder, `${n}.png`));
      await Deno.writeFile(paths[n], n === 13 || n === 15 ? file.subarray(0, 500 + n) : file);
    }
    const options = { size: { width: 4, height: 4 } };
    await rejects(openPictures(paths, [], options), /13\.png cannot be decoded/);
    using rows = await openPictures(paths.slice(0, 10), [], options);
    const { data } = readAll(rows, "x");
    deepEqual([...data.subarray(0, 48)], [10, 200, 30].flatMap((v) => Array(16).fill(v)));
  }));
