import { deepEqual, equal, match, ok, rejects } from "assert";
import { UserError } from "../../../core/errors/user_error.ts";
import { readSafetensors } from "../../../core/io/safetensors.ts";
import { parseTorchFile, readTorchFile } from "../../../core/io/torch_file.ts";
import { fuzz } from "./fuzz.ts";
import { archive, pickleOf, string, text } from "./torch_archive.ts";

const FILES = new URL("../../reference/files/", import.meta.url).pathname;

const SIX = new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6).buffer);

const parse = async (pickle: string, files: Record<string, Uint8Array> = {}) =>
  await parseTorchFile(await archive({ "a/data.pkl": text(pickle), "a/data/0": SIX, ...files }), "some.bin");

/** Expects a {@link UserError} of one line that starts with the file's name. */
const refused = (promise: Promise<unknown>, pattern: RegExp) =>
  rejects(promise, (error) => {
    ok(error instanceof UserError, String(error));
    match(error.message, pattern);
    ok(/(^| )[^ ]*\.(bin|pt)/.test(error.message) && !error.message.includes("\n"), error.message);
    return true;
  });

Deno.test("tensors of every kind and layout that PyTorch saves equal those that it saves as safetensors", async () => {
  const { tensors: expected } = await readSafetensors(`${FILES}tensors.safetensors`);
  equal(expected.half.data.length, 5);
  for (const file of ["tensors.bin", "protocol4.bin"]) {
    const tensors = await readTorchFile(FILES + file);
    deepEqual(Object.keys(tensors).sort(), Object.keys(expected).sort());
    for (const [name, { shape, data }] of Object.entries(expected)) {
      deepEqual(tensors[name].shape, shape, name);
      deepEqual(tensors[name].data, data, name);
    }
  }
});

Deno.test("float16 and bfloat16 are read as the float32 of the same value", async () => {
  const { half, bfloat } = await readTorchFile(`${FILES}tensors.bin`);
  deepEqual([...half.data], [1, -0, 65504, 2 ** -24, 0.333251953125]);
  deepEqual(bfloat.data[3], 0.333984375);
});

Deno.test("the weights of a model are views of the file, and its integers stay integers", async () => {
  const tensors = await readTorchFile(`${FILES}integers.bin`);
  deepEqual(tensors["1.num_batches_tracked"], { shape: [], data: BigInt64Array.of(0n) });
  equal(tensors["0.weight"].data.buffer, tensors["0.bias"].data.buffer);
});

Deno.test("a pickle that asks for anything but tensors is refused by name, and nothing is run", async () => {
  await refused(readTorchFile(`${FILES}hostile.bin`), /asks for "posix\.system".*Nothing was run/);
  await rejects(Deno.stat("owned.txt"));
  await refused(readTorchFile(`${FILES}module.pt`), /asks for "torch\.nn\.modules\.container\.Sequential"/);
  for (
    const name of ["os\nsystem", "builtins\neval", "torch\n__proto__", "\nconstructor", "collections\ndefaultdict"]
  ) {
    await refused(parse(`\x80\x02c${name}\n(X\x01\0\0\0atR.`), /asks for/);
  }
  await refused(parse(`\x80\x04${"\x8c\x02os\x8c\x06system"}\x93(X\x01\0\0\0atR.`), /asks for "os\.system"/);
  await refused(parse("\x80\x02ctorch\nFloatStorage\n)R."), /calls torch\.FloatStorage/);
  await refused(parse(`\x80\x02${string("os.system")})R.`), /calls something that is no function/);
});

Deno.test("what is no state dict is refused with what to do", async () => {
  await refused(readTorchFile(`${FILES}checkpoint.pt`), /holds "model", which is a dictionary.*state_dict\(\) alone/);
  await refused(readTorchFile(`${FILES}legacy.bin`), /before PyTorch 1\.6.*torch\.save\(torch\.load/);
  await refused(parse("\x80\x02].", {}), /holds no dictionary of tensors/);
  await refused(parse(pickleOf({}), { "a/constants.pkl": new Uint8Array(1) }), /TorchScript program/);
  await refused(parse(pickleOf({ storage: "ComplexFloatStorage" })), /asks for "torch\.ComplexFloatStorage"/);
  await refused(readTorchFile(`${FILES}nowhere.bin`), /there is no such file/);
});

Deno.test("offsets, sizes and strides are checked against the storage", async () => {
  deepEqual([...(await parse(pickleOf({}))).x.data], [1, 2, 3, 4, 5, 6]);
  deepEqual([...(await parse(pickleOf({ offset: 1, shape: [2, 2], strides: [1, 3] }))).x.data], [2, 5, 3, 6]);
  deepEqual((await parse(pickleOf({ shape: [0, 7], strides: [1, 1] }))).x.data.length, 0);
  await refused(parse(pickleOf({ offset: 1 })), /"x" ends at element 6 of its storage, which has 6/);
  await refused(parse(pickleOf({ shape: [2, 4], strides: [4, 1] })), /ends at element 7/);
  await refused(parse(pickleOf({ offset: -1 })), /without storage, offset/);
  await refused(parse(pickleOf({ strides: [-3, 1] })), /without storage, offset/);
  await refused(parse(pickleOf({ strides: [1] })), /2 sizes, but 1 strides/);
  await refused(parse(pickleOf({ count: 7 })), /data\/0 has 24 bytes, but 28 are needed/);
  await refused(parse(pickleOf({ key: "../../x" })), /lacks the storage/);
  const many = Array.from({ length: 8 }, () => 2 ** 30);
  await refused(parse(pickleOf({ shape: many, strides: many.map(() => 0) })), /overflows/);
  await refused(parse(pickleOf({ shape: [2 ** 30], strides: [0] })), /repeats the values/);
});

Deno.test("big-endian storages are read", async () => {
  const bytes = SIX.slice();
  for (let i = 0; i < bytes.length; i += 4) bytes.subarray(i, i + 4).reverse();
  const { x } = await parse(pickleOf({}), { "a/data/0": bytes, "a/byteorder": text("big") });
  deepEqual([...x.data], [1, 2, 3, 4, 5, 6]);
  await refused(parse(pickleOf({}), { "a/byteorder": text("middle") }), /byte order is "middle"/);
});

Deno.test("pickles that would take much memory or time are refused", async () => {
  await refused(parse("\x80\x02" + "]".repeat(2 << 20) + "."), /more than 1048576 objects/);
  await refused(parse("\x80\x02" + "(".repeat(2 << 20) + "."), /more than 1048576 objects/);
  await refused(parse("\x80\x02}" + "\x94".repeat(2 << 20) + "."), /more than 1048576 objects/);
  await refused(parse("\x80\x02" + "N".repeat(17 << 20)), /data\.pkl has \d+ bytes, but at most/);
  await refused(parse("\x80\x02X\xff\xff\xff\xffabc"), /ends too early/);
  await refused(parse("\x80\x02\x8a\xff"), /integer of 255 bytes/);
  await refused(parse("\x80\x02i"), /opcode "i", which no state dict needs/);
  await refused(parse("\x80\x09N."), /protocol 9/);
  await refused(parse("\x80\x02h\x05."), /refers to an object/);
  // A list that holds itself, and lists a hundred thousand deep.
  await refused(parse("\x80\x02]q\0h\0a."), /holds no dictionary/);
  await refused(parse("\x80\x02" + "]".repeat(100_000) + "a".repeat(99_999) + "."), /holds no dictionary/);
});

Deno.test("archives that are not what torch.save writes are refused", async () => {
  const file = { "a/data.pkl": text(pickleOf({})), "a/data/0": new Uint8Array(4000) };
  await refused(parseTorchFile(await archive(file, 9), "some.bin"), /is compressed or encrypted/);
  await refused(parseTorchFile(await archive({ "b.txt": SIX }), "some.bin"), /has 0 data\.pkl/);
  await refused(parse(pickleOf({}), { "b/data.pkl": SIX }), /has 2 data\.pkl/);
  await refused(parseTorchFile(text("<html>no such file</html>".repeat(9)), "some.bin"), /not a readable zip archive/);
  await refused(parseTorchFile(new Uint8Array(0), "some.bin"), /not a readable zip archive/);
  // Two directory entries that give the same part of the file count twice.
  const one = await archive(file), view = new DataView(one.buffer);
  const end = one.length - 22, directory = view.getUint32(end + 16, true);
  const name = (at: number) => 46 + view.getUint16(at + 28, true) + view.getUint16(at + 30, true);
  const second = directory + name(directory);
  view.setUint32(second + 42, 0, true);
  view.setUint32(second + 20, one.length, true);
  view.setUint32(second + 24, one.length, true);
  await refused(parseTorchFile(one, "some.bin"), /overlapping|ends after the end/);
});

Deno.test("damaged PyTorch files are read or refused, never anything else", async () => {
  const whole = await Deno.readFile(`${FILES}tensors.bin`);
  const refusals = await fuzz(whole, 1800, async (bytes) => {
    const tensors = await parseTorchFile(bytes, "some.bin");
    const size = Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
    ok(size < 100 * bytes.length);
  });
  ok(refusals > 600, `${refusals}`);
});
