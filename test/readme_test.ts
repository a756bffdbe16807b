import { equal, match, ok } from "assert";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inFolder, namesIn } from "./folders.ts";
import { readmeFile } from "./readme.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

Deno.test("the README's program of twenty lines runs as it stands", () =>
  inFolder(async (cwd) => {
    const program = await readmeFile("moons.ts");
    ok(program.split("\n").filter((line) => line !== "").length <= 20);
    const script = join(cwd, "moons.ts");
    await Deno.writeTextFile(script, program.replace("./core/mod.ts", new URL("core/mod.ts", `file://${ROOT}`).href));
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--frozen", "--config", join(ROOT, "deno.json"), "-A", script],
      ...{ cwd, stdin: "null", stdout: "piped", stderr: "piped", env: { NO_COLOR: "1" } },
    }).output();
    const text = new TextDecoder().decode(stdout);
    equal(code, 0, new TextDecoder().decode(stderr));
    match(text, /^epoch 1: \d\.\d+ nats\n(epoch .*\n){9}NLL \d\.\d+ ± 0\.\d+ nats; the entropy is 0\.\d+\n/);
    match(text, /\[ 3, 3 \] -\d+\.\d+ ± \d+\.\d+ nats\n/);
    match(await Deno.readTextFile(join(cwd, "moons.svg")), /^<svg/);
    ok((await namesIn(join(cwd, "runs", "from-a-program"))).includes("config.json"));
  }));

Deno.test("the README is a hall, and gives a newcomer's two commands", async () => {
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  ok(readme.split("\n").length <= 181, `${readme.split("\n").length} lines`);
  for (const command of ["npx -y deno task train:2d moons", "npx -y deno task test"]) ok(readme.includes(command));
});

Deno.test("the links of every README lead to files that are there", async () => {
  for (const path of await readmes(ROOT)) {
    const text = (await Deno.readTextFile(path)).replaceAll(/^```.*?^```/gms, "");
    for (const [, target] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file, anchor] = target.split("#");
      const linked = file === "" ? path : join(path, "..", file);
      const info = await Deno.stat(linked).catch(() => undefined);
      ok(info, `${path} links to ${target}`);
      if (anchor === undefined) continue;
      const anchors = [...(await Deno.readTextFile(linked)).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
        heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").trim().replaceAll(/\s/g, "-")
      );
      ok(anchors.includes(anchor), `${path} links to ${target}; ${linked} has ${anchors.join(", ")}`);
    }
  }
});

async function readmes(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (name.startsWith(".") || name === "node_modules" || name === "runs" || name === "reference") continue;
    if (isDirectory) found.push(...await readmes(join(folder, name)));
    else if (name === "README.md") found.push(join(folder, name));
  }
  return found;
}
