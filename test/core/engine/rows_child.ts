import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { initialState, inputsOf, rowsProgram, SHAPES } from "./rows_program.ts";

/** A process that disposes of nothing, and ends by itself after a run or, with `exit`, within one. */
const random = Random.fromSeed(0), engine = await createEngine("onnx-cpu", 3);
const compiled = await engine.compile(rowsProgram, engine.createState(initialState(random)), SHAPES);
await compiled.run(inputsOf(random));
const run = compiled.run(inputsOf(random));
if (Deno.args[0] === "exit") Deno.exit(3);
console.log((await run).sum.length);
