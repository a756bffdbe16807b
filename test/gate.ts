import { join } from "node:path";
import { untilNames } from "./wait.ts";

/**
 * A denoiser with a gate, for `--backend tfjs-cpu`, which calls `predict` for every run of the network. While there is a
 * gate.json beside it, a call is held as soon as the file that it names has so many lines, or after so many calls: the
 * process then stands still, and what is sent to it lies ready when it goes on.
 */
const DENOISER = `
import * as tf from "@tensorflow/tfjs";

const path = (name) => new URL(name, import.meta.url);
const read = (name) => {
  try {
    return Deno.readTextFileSync(path(name));
  } catch {
    return undefined;
  }
};
const sizeOf = (name) => {
  try {
    return Deno.statSync(path(name)).size;
  } catch {
    return 0;
  }
};
let calls = 0;

function hold() {
  const gate = read("gate.json");
  if (gate === undefined) return;
  const { file, lines = 0, bytes = 0, calls: least = 0 } = JSON.parse(gate);
  const text = file ? read(file) ?? "" : "";
  if (++calls < least || text.split("\\n").length <= lines) return;
  if (bytes > 0 && sizeOf(file) < bytes) return;
  Deno.writeTextFileSync(path("reached-" + Deno.pid), "");
  const cell = new Int32Array(new SharedArrayBuffer(4));
  while (read("gate.json") === gate) Atomics.wait(cell, 0, 0, 5);
}

export function create({ shape: [d] }) {
  return {
    init: (random) => ({ w: random.uniformTensor([d + 1, d], -0.5, 0.5) }),
    predict({ w }, z, logsnr) {
      hold();
      return tf.matMul(tf.concat([z, tf.sigmoid(tf.reshape(logsnr, [-1, 1]))], 1), w);
    },
  };
}
`;

/** A gate in a folder. */
export class Gate {
  constructor(readonly folder: string) {}

  /** Writes the denoiser `gated.ts`; its gate is open. */
  static async make(folder: string): Promise<Gate> {
    await Deno.writeTextFile(join(folder, "gated.ts"), DENOISER);
    return new Gate(folder);
  }

  /** @param where What a file, named from the gate's folder, has, or the calls, from which on a process is held. */
  async close(
    where: { readonly file: string; readonly lines?: number; readonly bytes?: number } | { readonly calls: number },
  ): Promise<void> {
    for (const { name } of Deno.readDirSync(this.folder)) {
      if (name.startsWith("reached-")) await Deno.remove(join(this.folder, name));
    }
    await Deno.writeTextFile(join(this.folder, "gate.json"), JSON.stringify(where));
  }

  /** Waits until so many processes are held; gives their numbers. */
  async reached(child: Deno.ChildProcess, count = 1): Promise<number[]> {
    const held = (names: readonly string[]) => names.filter((name) => name.startsWith("reached-"));
    await untilNames(this.folder, (names) => held(names).length >= count, child);
    return held([...Deno.readDirSync(this.folder)].map(({ name }) => name)).map((name) => Number(name.slice(8)));
  }

  async open(): Promise<void> {
    await Deno.remove(join(this.folder, "gate.json"));
  }
}
