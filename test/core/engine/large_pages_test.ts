import { ok } from "assert";
import { createEngine } from "../../../core/engine/mod.ts";
import { Random } from "../../../core/random/random.ts";
import { initialState, inputsOf, rowsProgram, shapesOf } from "./rows_program.ts";

async function printed(command: string, ...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}

/** Bytes of this process's memory for which large pages are asked. Linux tells nobody but another process of it. */
async function advisedBytes(): Promise<number> {
  const regions = (await printed("cat", `/proc/${Deno.pid}/smaps`) ?? "").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return regions.filter((region) => /^VmFlags:.* hg\b/m.test(region))
    .reduce((sum, region) => sum + 1024 * Number(/^Size:\s+(\d+) kB/m.exec(region)![1]), 0);
}

const hasThem = (await printed("cat", "/sys/kernel/mm/transparent_hugepage/enabled"))?.includes("madvise") === true;

Deno.test({
  name: `what sessions have in common is asked for in large pages${hasThem ? "" : " (not tried: the system has none)"}`,
  ignore: !hasThem,
  async fn() {
    const size = { rows: 96, inner: 512 }, random = Random.fromSeed(1), before = await advisedBytes();
    const engine = await createEngine("onnx-cpu", 2), state = engine.createState(initialState(random, size));
    const program = await engine.compile(rowsProgram, state, shapesOf(size));
    const asked = await advisedBytes() - before;
    ok(asked > 1 << 25, `${asked} bytes`);
    const { sum } = await program.run(inputsOf(random, size));
    ok(sum.every(Number.isFinite));
    await program.dispose();
    state.dispose();
    engine.dispose();
  },
});
