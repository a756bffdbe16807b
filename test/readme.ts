import { ok } from "assert";

/** The TypeScript that a README shows under a file's name. @param readme Its path from the root. */
export async function readmeFile(name: string, readme = "README.md"): Promise<string> {
  const text = await Deno.readTextFile(new URL(`../${readme}`, import.meta.url));
  const [, code] = text.match(new RegExp(`^\`${name.replace(".", "\\.")}\`[^\n]*:\n\n\`\`\`ts\n(.*?)^\`\`\``, "ms")) ??
    [];
  ok(code, `${readme} shows ${name}`);
  return code;
}
