import { match, ok } from "assert";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

async function deno(...args: string[]): Promise<{ success: boolean; text: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    ...{ args, cwd: ROOT, stdin: "null", stdout: "piped", stderr: "piped", env: { NO_COLOR: "1" } },
  }).output();
  return { success, text: [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("") };
}

Deno.test("the front door could be published: it has no slow types", async () => {
  const { success, text } = await deno("publish", "--dry-run", "--allow-dirty");
  ok(success, text);
  match(text, /Dry run complete/);
});

Deno.test("all of the front door is documented, and its types are exported", async () => {
  const { success, text } = await deno("doc", "--lint", "core/mod.ts");
  ok(success, text);
});
