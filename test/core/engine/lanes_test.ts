import { deepEqual, equal, ok } from "assert";
import * as tf from "@tensorflow/tfjs";
import { createEngine } from "../../../core/engine/mod.ts";
import {
  addTo,
  fitsChanges,
  laneCounts,
  laneOf,
  laneShapes,
  takeMean,
  turnCounts,
} from "../../../core/engine/lanes.ts";
import { type Program, separable } from "../../../core/engine/program.ts";
import { Random } from "../../../core/random/random.ts";
import {
  initialState,
  INNER,
  inputsOf,
  rowsProgram,
  SHAPES,
  shapesOf,
  type Size,
  wholeProgram,
  WIDTH,
} from "./rows_program.ts";

async function results(threads: number, program: Program, size?: Size) {
  const random = Random.fromSeed(3), engine = await createEngine("onnx-cpu", threads);
  const state = engine.createState(initialState(random, size));
  const compiled = await engine.compile(program, state, size ? shapesOf(size) : SHAPES), runs = [];
  for (let run = 0; run < 3; run++) {
    const { sum, first } = await compiled.run(inputsOf(random, size));
    const { mean, copy } = await state.read(["mean", "copy"]);
    runs.push([sum, first, mean.data, copy.data].map((values) => values.slice()));
  }
  await compiled.dispose();
  state.dispose();
  engine.dispose();
  return runs;
}

/** Whether both are the same but for rounding. */
function alike(got: Awaited<ReturnType<typeof results>>, whole: Awaited<ReturnType<typeof results>>): void {
  got.forEach((run, k) =>
    run.forEach((values, at) => {
      equal(values.length, whole[k][at].length);
      values.forEach((value, i) => {
        const expected = whole[k][at][i];
        ok(Math.abs(value - expected) < 1e-5 * Math.max(1, Math.abs(expected)), `${at}, ${i}: ${value}`);
      });
    })
  );
}

Deno.test("a batch in lanes gives what it gives as a whole: each row its own, and the means", async () => {
  const whole = await results(3, wholeProgram);
  for (const threads of [2, 3, 4]) alike(await results(threads, rowsProgram), whole);
});

Deno.test("so does a large one whose lanes take their rows in turns", async () => {
  // Three turns of two lanes, and six of one.
  const size = { rows: 96, inner: 512 }, whole = await results(2, wholeProgram, size);
  for (const threads of [1, 2]) alike(await results(threads, rowsProgram, size), whole);
});

Deno.test("what a lane changes of the state takes its memory once, however often it runs", async () => {
  const random = Random.fromSeed(4), size = WIDTH * INNER, runs = 40;
  const engine = await createEngine("onnx-cpu", 2);
  const state = engine.createState({ ...initialState(random), outer: { shape: [INNER, WIDTH] } });
  const program = separable((state, { x }) => {
    const wide = tf.mul(tf.reshape(x, [-1, INNER, 1]), tf.reshape(state.a, [1, 1, WIDTH]));
    return { outputs: { sum: tf.sum(wide, [1, 2]) }, state: { outer: tf.mean(tf.square(wide), 0) } };
  });
  const compiled = await engine.compile(program, state, { x: SHAPES.x }), { x } = inputsOf(random);
  const bytes = () => Deno.memoryUsage().rss;
  for (let run = 0; run < 4; run++) await compiled.run({ x });
  const before = bytes();
  for (let run = 0; run < runs; run++) await compiled.run({ x });
  ok(bytes() - before < runs * 4 * size / 2, `${bytes() - before} bytes`);
  await compiled.dispose();
  state.dispose();
  engine.dispose();
});

Deno.test("a process that disposes of nothing ends by itself, and within a run as it says", async () => {
  const end = async (...args: string[]) => {
    const child = new URL("rows_child.ts", import.meta.url).pathname;
    const { code, signal, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--no-check", "-A", child, ...args],
      stdin: "null",
    }).output();
    return [code, signal, new TextDecoder().decode(stdout).trim()];
  };
  deepEqual(await end(), [0, null, "24"]);
  deepEqual(await end("exit"), [3, null, ""]);
});

Deno.test("lanes are as many as there are threads for, of the same number of rows, where a batch is worth it", () => {
  const of = (rows: number, threads: number, d = 4096) => laneCounts({ x: [rows, d], logsnr: [rows] }, threads);
  deepEqual(of(16, 2), [2, 1]);
  deepEqual(of(64, 4), [4, 2, 1]);
  deepEqual([of(16, 1), of(6, 8), of(15, 2), of(16, 2, 16)], [[1], [1], [1], [1]]);
  deepEqual(of(15, 3), [3, 1]);
  // A scalar is of all rows.
  deepEqual(laneCounts({ x: [64, 4096], scale: [] }, 4), [1]);
  deepEqual(laneShapes({ x: [16, 3, 8], logsnr: [16] }, 2), { x: [8, 3, 8], logsnr: [8] });
  const turns = (rows: number, lanes: number, held: number) => turnCounts({ x: [rows, 4096], t: [rows] }, lanes, held);
  deepEqual([turns(96, 2, 1e9), turns(96, 1, 1e9), turns(64, 2, 3e6)], [[3, 1], [6, 3, 2, 1], [1]]);
  // A turn is of whole blocks of rows, and of a batch that is worth it.
  deepEqual([turns(48, 2, 1e9), turns(16, 1, 1e9), turnCounts({ x: [64, 8] }, 2, 1e9)], [[1], [1], [1]]);
  // Two gradients of 100 lie in what two lanes of 100 have held, and four of 300 do not in that of four.
  deepEqual([fitsChanges(2, 1, 100, 100), fitsChanges(4, 1, 300, 100), fitsChanges(2, 2, 100, 100)], [
    true,
    false,
    false,
  ]);
});

Deno.test("a lane's part is a view of the rows, and lanes' values are averaged in their place", () => {
  const rows = Float32Array.of(1, 2, 3, 4, 5, 6);
  deepEqual([...laneOf(rows, 1, 3)], [3, 4]);
  laneOf(rows, 2, 3).fill(0);
  deepEqual([...rows], [1, 2, 3, 4, 0, 0]);
  takeMean(rows, [Float32Array.of(1, 1, 1, 1, 1, 1), Float32Array.of(4, 3, 2, 1, 2, 2)]);
  deepEqual([...rows], [2, 2, 2, 2, 1, 1]);
  addTo(rows, Float32Array.of(1, 0, 0, 0, 0, 1));
  takeMean(rows, [rows.slice()], 4);
  deepEqual([...rows], [1.5, 1, 1, 1, 0.5, 1]);
});
