import assert from "assert";
import { StorageError } from "../../../core/io/atomic.ts";
import { EventWriter } from "../../../core/io/tensorboard.ts";
import { bytes, decode, type Fields, float, readRecords, string } from "./event_reader.ts";

async function inFolder(test: (folder: string) => void): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function eventsOf(path: string): Fields[] {
  return readRecords(Deno.readFileSync(path)).map(decode);
}

function valueOf(event: Fields): Fields {
  return decode(bytes(decode(bytes(event, 5)), 1));
}

Deno.test("an event file opens with its version and holds scalars in single precision", () =>
  inFolder((folder) => {
    const before = Date.now() / 1000;
    const writer = EventWriter.create(`${folder}/made/on/the/way`);
    const after = Date.now() / 1000;
    writer.scalar("validation/nll", 0.1, 0, 1234.5);
    writer.scalar("validation/nll", 1e39, 5_000_000_000, 1235.5);
    writer.scalar("validation/nll", NaN, 7);
    writer.close();
    const [version, ...scalars] = eventsOf(writer.path);
    assert.equal(string(version, 3), "brain.Event:2");
    const opened = float(version, 1);
    assert.ok(opened >= before && opened <= after, `${before} ≤ ${opened} ≤ ${after}`);
    assert.equal(scalars.length, 3);
    assert.deepEqual(scalars.map((event) => event.get(2)?.[0] ?? 0), [0, 5_000_000_000, 7]);
    assert.deepEqual(scalars.slice(0, 2).map((event) => float(event, 1)), [1234.5, 1235.5]);
    assert.deepEqual(scalars.map((event) => string(valueOf(event), 1)), Array(3).fill("validation/nll"));
    assert.deepEqual(scalars.map((event) => float(valueOf(event), 2)), [Math.fround(0.1), Infinity, NaN]);
  }));

Deno.test("a picture keeps its bytes and its size, a text its letters", () =>
  inFolder((folder) => {
    const png = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const writer = EventWriter.create(folder);
    writer.image("density", png, 640, 480, 3);
    writer.text("settings", "**σ** = 3", 4);
    writer.close();
    const [, image, text] = eventsOf(writer.path);
    assert.equal(string(valueOf(image), 1), "density");
    const picture = decode(bytes(valueOf(image), 4));
    assert.deepEqual([picture.get(1), picture.get(2), picture.get(3)], [[480], [640], [4]]);
    assert.deepEqual(bytes(picture, 4), png);
    const tensor = decode(bytes(valueOf(text), 8));
    assert.deepEqual(tensor.get(1), [7]);
    assert.equal(string(tensor, 8), "**σ** = 3");
    const metadata = decode(bytes(valueOf(text), 9));
    assert.equal(string(decode(bytes(metadata, 1)), 1), "text");
  }));

Deno.test("events reach the file at a flush or sync, and by themselves once there are many", () =>
  inFolder((folder) => {
    using writer = EventWriter.create(folder);
    const size = () => Deno.statSync(writer.path).size;
    const empty = size();
    writer.scalar("nll", 1, 1);
    writer.flush();
    const one = size();
    assert.ok(one > empty);
    writer.scalar("nll", 1, 2);
    writer.sync();
    assert.equal(size() - one, one - empty);
    for (let step = 0; step < 5000; step++) writer.scalar("nll", 1, step);
    assert.ok(size() - one > 65_000, "a full buffer is written");
  }));

Deno.test("a resumed run opens a later file that drops the steps it writes again", () =>
  inFolder((folder) => {
    const paths = [undefined, 12, 7].map((purgeStep) => {
      using writer = EventWriter.create(folder, purgeStep === undefined ? {} : { purgeStep });
      return writer.path;
    });
    assert.equal(new Set(paths).size, 3);
    assert.deepEqual(paths.toSorted(), paths);
    assert.match(paths[0], /events\.out\.tfevents\.\d{10}\.localhost\.v2$/);
    assert.equal(eventsOf(paths[0]).length, 1);
    const restart = eventsOf(paths[1])[1];
    assert.deepEqual(restart.get(2), [12]);
    assert.deepEqual(decode(bytes(restart, 7)).get(1), [1]);
  }));

Deno.test("what cannot be written is refused with a reason", () =>
  inFolder((folder) => {
    const writer = EventWriter.create(folder);
    assert.throws(() => writer.scalar("nll", 1, -1), /Got step -1/);
    assert.throws(() => writer.scalar("nll", 1, 0.5), /Got step 0.5/);
    assert.throws(() => EventWriter.create(folder, { purgeStep: NaN }), /Got step NaN/);
    writer.close();
    writer.close();
    assert.throws(() => writer.scalar("nll", 1, 1), /are closed/);
    assert.throws(() => EventWriter.create(writer.path), StorageError);
  }));
