import { deepEqual, equal, match, ok, rejects } from "assert";
import { encode } from "fast-png";
import { join } from "node:path";
import sharp from "sharp";
import { DataFileError } from "../../../core/io/data_array.ts";
import { listFolder, openPictures, type PictureOptions } from "../../../core/io/images.ts";
import { readAll, type StoredRows } from "../../../core/io/stored_rows.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";

/** A PNG file of the given values, channels last. */
function png(
  data: Uint8Array | Uint16Array,
  [height, width, channels]: readonly [number, number, number],
): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(encode({ data, width, height, channels, depth: data instanceof Uint8Array ? 8 : 16 }));
}

const openImages = (path: string, options?: PictureOptions) => openPictures([path], [], options);

async function openImageFolder(folder: string): Promise<StoredRows> {
  const { pictures } = await listFolder(folder);
  return await openPictures(pictures.map((name) => join(folder, name)));
}

function contents(rows: StoredRows) {
  using open = rows;
  return { ...readAll(open, "x"), type: open.type, notes: open.notes };
}

const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof DataFileError, String(error));
    match(error.message, pattern);
    ok(!error.message.includes("\n"), error.message);
    return true;
  });

const RGB = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 250, 251, 255);

/** Adds an alpha channel to values of as many channels. */
function withAlpha<T extends Uint8Array | Uint16Array>(values: T, channels: number, alpha: number): T {
  const all = Array.from({ length: values.length / channels }, (_, i) => [
    ...values.subarray(i * channels, (i + 1) * channels),
    alpha,
  ]).flat();
  return (values instanceof Uint8Array ? Uint8Array.from(all) : Uint16Array.from(all)) as T;
}

Deno.test("a picture is its stored values, channels first", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.png");
    const read = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      return contents(await openImages(path));
    };
    const colour = { shape: [1, 3, 2, 2], data: Uint8Array.of(1, 4, 7, 250, 2, 5, 8, 251, 3, 6, 9, 255), type: "u1" };
    deepEqual(await read(png(RGB, [2, 2, 3])), { ...colour, notes: undefined });
    const notes = ["opaque alpha channel left out"];
    deepEqual(await read(png(withAlpha(RGB, 3, 255), [2, 2, 4])), { ...colour, notes });
    const grey = { shape: [1, 1, 3, 4], data: RGB, type: "u1" };
    deepEqual(await read(png(RGB, [3, 4, 1])), { ...grey, notes: undefined });
    deepEqual(await read(png(withAlpha(RGB, 1, 255), [3, 4, 2])), { ...grey, notes });
    const wide = Uint16Array.from(RGB, (x) => 257 * x - 1);
    const deep = { data: Float32Array.from(wide), type: "u2" };
    deepEqual(await read(png(wide, [3, 4, 1])), { ...deep, shape: [1, 1, 3, 4], notes: undefined });
    deepEqual(await read(png(withAlpha(wide, 1, 65535), [3, 4, 2])), { ...deep, shape: [1, 1, 3, 4], notes });
    deepEqual((await read(png(wide, [2, 2, 3]))).data, Float32Array.from(colour.data, (x) => 257 * x - 1));
    await refused(read(png(withAlpha(RGB, 3, 254), [2, 2, 4])), /transparent at row 0, column 0.*--background white/);
    await refused(read(png(withAlpha(RGB, 1, 0), [3, 4, 2])), /transparent at row 0, column 0/);
    await refused(read(png(withAlpha(wide, 3, 65534), [2, 2, 4])), /transparent at row 0, column 0/);
  }));

Deno.test("JPEG and WebP are read, without colour profiles, and turned", () =>
  inFolder(async (folder) => {
    const pixels = Uint8Array.from({ length: 16 * 8 * 3 }, (_, i) => 100 + i % 3 * 20);
    const image = () => sharp(pixels, { raw: { width: 16, height: 8, channels: 3 } });
    const jpg = join(folder, "x.JPG"), webp = join(folder, "x.webp");
    await image().withMetadata({ orientation: 6 }).jpeg({ quality: 100, chromaSubsampling: "4:4:4" }).toFile(jpg);
    await image().webp({ lossless: true }).toFile(webp);
    const flat = Uint8Array.from({ length: pixels.length }, (_, i) => 100 + Math.floor(i / 128) * 20);
    deepEqual(contents(await openImages(webp)), { shape: [1, 3, 8, 16], data: flat, type: "u1", notes: undefined });
    const turned = contents(await openImages(jpg));
    deepEqual([turned.shape, turned.notes], [[1, 3, 16, 8], ["the picture turned upright by EXIF"]]);
    ok(turned.data.every((x, i) => Math.abs(x - flat[i]) <= 1));
    await sharp(pixels, { raw: { width: 48, height: 8, channels: 1 } }).toColourspace("b-w").jpeg().toFile(jpg);
    deepEqual(contents(await openImages(jpg)).shape, [1, 1, 8, 48]);
    await sharp(pixels, { raw: { width: 12, height: 8, channels: 4 } }).toColourspace("cmyk").jpeg().toFile(jpg);
    await refused(openImages(jpg), /x\.JPG has the colour space cmyk, expected grey or RGB/);
  }));

Deno.test("a folder is its pictures in the order of their names", () =>
  inFolder(async (folder) => {
    const write = (name: string, bytes: Uint8Array) => Deno.writeFile(join(folder, name), bytes);
    const grey = (x: number) => png(Uint8Array.of(x, x + 1), [1, 2, 1]);
    for (let n = 0; n < 12; n++) await write(`${n}.png`, grey(10 * n));
    const order = [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9];
    const data = Uint8Array.from(order.flatMap((n) => [10 * n, 10 * n + 1]));
    deepEqual(contents(await openImageFolder(folder)), { shape: [12, 1, 1, 2], data, type: "u1", notes: undefined });
    await Deno.mkdir(join(folder, "sub.png"));
    await write("labels.csv", new Uint8Array(1));
    await write("._0.png", new Uint8Array(1));
    await write("a.png", png(Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 255), [1, 2, 4]));
    const mixed = contents(await openImageFolder(folder));
    deepEqual(mixed.shape, [13, 3, 1, 2]);
    deepEqual([...mixed.data.subarray(6, 12)], [10, 11, 10, 11, 10, 11]);
    deepEqual([...mixed.data.subarray(72)], [1, 4, 2, 5, 3, 6]);
    deepEqual(mixed.notes, [
      "12 grey of 13 pictures made colour",
      "opaque alpha channel of 1 of 13 pictures left out",
    ]);
    // A grey picture after one of colour becomes colour as well.
    await write("b.png", grey(7));
    deepEqual([...contents(await openImageFolder(folder)).data.subarray(78)], [7, 8, 7, 8, 7, 8]);
    await write("c.png", png(Uint8Array.of(1), [1, 1, 1]));
    await refused(
      openImageFolder(folder),
      /c\.png has 1 x 1 pixels, but .*0\.png has 2 x 1\. .*--size 32/,
    );
    // One of 16 bits makes all such.
    await write("c.png", png(Uint16Array.of(1, 2), [1, 2, 1]));
    const deep = contents(await openImageFolder(folder));
    deepEqual([deep.type, ...deep.data.subarray(72)], [
      "u2",
      ...[257, 1028, 514, 1285, 771, 1542],
      ...[7, 8, 7, 8, 7, 8].map((v) => 257 * v),
      1,
      2,
      1,
      2,
      1,
      2,
    ]);
    ok(deep.notes?.includes("14 of 15 pictures made 16 bits of 8"), `${deep.notes}`);
    await refused(openImageFolder(join(folder, "nowhere")), /there is no such folder/);
  }));

Deno.test("what is no picture is refused, whatever its name says", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.png");
    const write = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      return path;
    };
    await refused(openImages(await write(new TextEncoder().encode("<svg/>"))), /is no PNG, JPEG or WebP picture/);
    const whole = png(RGB, [2, 2, 3]);
    await refused(openImages(await write(whole.subarray(0, -20))), /x\.png cannot be decoded \(.*Write or download/);
    const huge = whole.slice(), view = new DataView(huge.buffer);
    view.setUint32(16, 60_000);
    view.setUint32(20, 60_000);
    // The checksum of the header, so that its size is believed.
    const { crc32 } = await import("node:zlib");
    view.setUint32(29, crc32(huge.subarray(12, 29)));
    await refused(openImages(await write(huge)), /cannot be decoded \(.*pixel limit|more than 268435456 bytes/);
    const frames = await sharp(Uint8Array.from({ length: 24 }, (_, i) => i), {
      raw: { width: 2, height: 4, channels: 3, pageHeight: 2 },
    }).webp().toBuffer();
    await refused(openImages(await write(frames)), /is animated, expected one picture/);
    const at = 33, actl = Uint8Array.of(0, 0, 0, 8, 97, 99, 84, 76, 0, 0, 0, 2, 0, 0, 0, 0);
    const chunk = new Uint8Array(20);
    chunk.set(actl);
    new DataView(chunk.buffer).setUint32(16, crc32(actl.subarray(4)));
    const apng = Uint8Array.from([...whole.subarray(0, at), ...chunk, ...whole.subarray(at)]);
    await refused(openImages(await write(apng)), /is animated, expected one picture/);
  }));

Deno.test("damaged pictures are read or refused, never anything else", () =>
  inFolder(async (folder) => {
    const path = join(folder, "x.png");
    const noise = Uint8Array.from({ length: 300 }, (_, i) => i * i % 251);
    const raw = { raw: { width: 10, height: 10, channels: 3 as const } };
    const files = [
      png(noise, [10, 10, 3]),
      await sharp(noise, raw).jpeg().toBuffer(),
      await sharp(noise, raw).webp().toBuffer(),
    ];
    for (const file of files) {
      const refusals = await fuzz(Uint8Array.from(file), 200, async (bytes) => {
        await Deno.writeFile(path, bytes);
        equal(contents(await openImages(path)).shape.length, 4);
      });
      ok(refusals > 60, `${refusals}`);
    }
  }));
