import { deepEqual, throws } from "assert";
import { SweepError } from "../../../core/sweep/errors.ts";
import { allowedHosts } from "../../../core/sweep/hosts.ts";
import { parseSweep } from "../../../core/sweep/template.ts";

const hosts = (command: string, allowed?: string) => allowedHosts(parseSweep(`train:2d ${command}`), allowed);

Deno.test("hosts of plugins are asked for wherever a command names a plugin, and nothing else is", () => {
  for (
    const command of [
      "https://a.example/x.ts",
      "--seed {1,2} --denoiser https://a.example/x.ts",
      "--denoiser=https://a.example/x.ts",
      "moons --dataset https://a.example/x.ts",
      "moons --denoiser {mlp,https://a.example/x.ts}",
    ]
  ) {
    throws(() => hosts(command), (error) => {
      const asked = "imports from a.example:443 are not allowed. If you trust it, add --allow-import a.example.";
      return error instanceof SweepError && error.message.includes(asked);
    }, command);
    deepEqual(hosts(command, "a.example"), ["a.example"]);
    deepEqual(hosts(command, "a.example:443, b.example"), ["a.example:443", "b.example"]);
    deepEqual(hosts(command, "*.example"), ["*.example"]);
    throws(() => hosts(command, "a.example:80"), /add --allow-import a\.example:80,a\.example\.$/);
  }
  for (const command of ["moons", "./x.ts --source https://a.example/x", "npm:x"]) deepEqual(hosts(command), []);
});

Deno.test("what is no host is refused", () => {
  throws(() => hosts("moons", "https://a.example/"), /--allow-import has "https:\/\/a\.example\/", expected hosts/);
});
