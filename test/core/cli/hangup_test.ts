import { equal } from "assert";
import { inFolder } from "../../folders.ts";

const MODULE = JSON.stringify(new URL("../../../core/cli/hangup.ts", import.meta.url).href);

/** What a process without a terminal says that a shell started. */
async function answer(folder: string, before: string, flags: string): Promise<string> {
  const script = `${folder}/asks.ts`;
  await Deno.writeTextFile(script, `import { isHangupIgnored } from ${MODULE};\nconsole.log(isHangupIgnored());\n`);
  const { stdout } = await new Deno.Command("sh", {
    args: ["-c", `${before} exec "$0" run --no-config --quiet ${flags} "$1"`, Deno.execPath(), script],
    ...{ stdin: "null", stderr: "inherit" },
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "a process is deaf to the end of its terminal where it was started so, or nothing is known",
  ignore: Deno.build.os === "windows",
  fn: () =>
    inFolder(async (folder) => {
      equal(await answer(folder, "trap '' HUP;", "--allow-ffi"), "true");
      equal(await answer(folder, "", ""), "true");
      // A shell cannot undo what these tests themselves were started with.
      const { stdout } = await new Deno.Command("sh", { args: ["-c", "trap"], stdin: "null" }).output();
      if (!new TextDecoder().decode(stdout).includes("HUP")) equal(await answer(folder, "", "--allow-ffi"), "false");
    }),
});
