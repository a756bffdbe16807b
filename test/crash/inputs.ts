import { type Case, INPUTS, trainings } from "./cases.ts";
import { run } from "./process.ts";

/** Trains the runs that some cases read, each to a folder of its name. */
export async function trainInputs(cases: readonly Case[], data: string, folder: string): Promise<void> {
  await Deno.mkdir(folder);
  const all = trainings(data);
  await Promise.all(
    INPUTS.filter((name) => cases.some(({ input }) => input === name)).map(async (name) => {
      const { task, args } = all[name], cwd = folder;
      const { code, stderr } = await run({ task, args: [...args, "--out", name, "--quiet"], cwd });
      if (code !== 0) throw new Error(`The run ${name} cannot be trained: ${stderr}`);
    }),
  );
}
