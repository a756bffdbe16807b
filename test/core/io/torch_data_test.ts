import { deepEqual, match, ok, rejects } from "assert";
import { join } from "node:path";
import { UserError } from "../../../core/errors/user_error.ts";
import { readAll } from "../../../core/io/stored_rows.ts";
import { openTorch, torchNames } from "../../../core/io/torch_data.ts";
import { inFolder } from "../../folders.ts";
import { fuzz } from "./fuzz.ts";
import { archive, int, string, tensor, text, tuple } from "./torch_archive.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;
const SIX = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

async function read(path: string, name: string) {
  using rows = await openTorch(path, name);
  return { ...readAll(rows, path), type: rows.type, notes: rows.notes };
}

/** Runs a test with a file of the given pickle and storages. */
const withPickle = (
  test: (write: (pickle: string, files?: Record<string, Uint8Array>) => Promise<string>) => Promise<void>,
) =>
  inFolder((folder) =>
    test(async (pickle, files = {}) => {
      const path = join(folder, "x.pt");
      await Deno.writeFile(
        path,
        await archive({ "a/data.pkl": text(`\x80\x02${pickle}.`), "a/data/0": SIX, ...files }),
      );
      return path;
    })
  );

const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(error.message.includes("x.pt") && !error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("a tensor, a tuple, a list and a dictionary of tensors are read", () =>
  withPickle(async (write) => {
    const x = { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6), type: "f4", notes: undefined };
    const turned = tensor({ shape: [3, 2], strides: [1, 3] });
    const y = { ...x, shape: [3, 2], data: Float32Array.of(1, 4, 2, 5, 3, 6) };
    let path = await write(tensor({}));
    deepEqual(await torchNames(path), [""]);
    deepEqual(await read(path, ""), x);
    for (const pickle of [tuple(tensor({}), turned), `](${tensor({})}${turned}e`]) {
      path = await write(pickle);
      deepEqual(await torchNames(path), ["0", "1"]);
      deepEqual([await read(path, "0"), await read(path, "1")], [x, y]);
    }
    path = await write(`}(${string("images")}${tensor({})}${int(7)}${turned}${string("epoch")}${int(3)}u`);
    deepEqual(await torchNames(path), ["images", "7"]);
    deepEqual(await read(path, "7"), { ...y, notes: ["1 entry beside the tensors left out"] });
    await refused(openTorch(path, "epoch"), /has no tensor "epoch"/);
  }));

Deno.test("every type keeps its values", () =>
  withPickle(async (write) => {
    const values = [1, -2, 3, -4, 5, -6];
    for (
      const [storage, type, numbers, expected] of [
        ["CharStorage", "i1", Int8Array.from(values), Float32Array.from(values)],
        ["ShortStorage", "i2", Int16Array.from(values, (x) => 3000 * x), Float32Array.from(values, (x) => 3000 * x)],
        ["IntStorage", "i4", Int32Array.from(values, (x) => 3e8 * x), Float64Array.from(values, (x) => 3e8 * x)],
        [
          "LongStorage",
          "i8",
          BigInt64Array.from(values, (x) => BigInt(x) << 60n),
          Float64Array.from(values, (x) => Number(BigInt.asIntN(64, BigInt(x) << 60n))),
        ],
        ["DoubleStorage", "f8", Float64Array.from(values, (x) => x / 3), Float64Array.from(values, (x) => x / 3)],
        ["HalfStorage", "f2", Float16Array.from(values), Float32Array.from(values)],
        ["ByteStorage", "u1", Uint8Array.from(values), Uint8Array.from(values)],
      ] as const
    ) {
      const path = await write(tensor({ storage }), { "a/data/0": new Uint8Array(numbers.buffer) });
      deepEqual(await read(path, ""), { shape: [2, 3], data: expected, type, notes: undefined }, storage);
    }
    const flags = await write(`}(${string("mask")}${tensor({ storage: "BoolStorage" })}u`);
    await refused(openTorch(flags, "mask"), /tensor "mask" holds booleans, expected numbers\. Convert it/);
  }));

Deno.test("what holds no tensors, or runs code, is refused", () =>
  withPickle(async (write) => {
    for (const pickle of ["N", "}", "]", int(3), `}(${string("x")}${string("y")}u`]) {
      await refused(torchNames(await write(pickle)), /holds no tensor, and no dictionary or list of tensors/);
    }
    await refused(torchNames(await write(`cos\nsystem\n(${string("ls")}tR`)), /asks for "os\.system".*Nothing was run/);
    await refused(torchNames(await write(`}(N${tensor({})}u`)), /key is neither text nor a number/);
    await refused(torchNames(await write(`}(${string("1")}${tensor({})}${int(1)}${tensor({})}u`)), /two tensors "1"/);
    await refused(openTorch(await write(tensor({ offset: 1 })), ""), /its tensor ends at element 6 of its storage/);
    await rejects(torchNames(`${FILES}legacy.bin`), /before PyTorch 1\.6/);
    await rejects(torchNames(`${FILES}hostile.bin`), /Nothing was run/);
  }));

Deno.test("damaged files are read or refused, never anything else", () =>
  withPickle(async (write) => {
    const path = await write(`}(${string("a")}${tensor({})}${string("b")}${tensor({ strides: [1, 2] })}u`);
    const refusals = await fuzz(await Deno.readFile(path), 600, async (bytes) => {
      await Deno.writeFile(path, bytes);
      for (const name of await torchNames(path)) ok((await read(path, name)).data.length < 1000);
    });
    ok(refusals > 200, `${refusals}`);
  }));
