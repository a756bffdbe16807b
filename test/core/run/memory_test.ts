import { ok } from "assert";
import { peakMemory } from "../../../core/run/memory.ts";

Deno.test("the peak is that of memory that was held, also after it is given back", async () => {
  // A process of its own, that nothing else has made large.
  const script = `
    import { setImmediate } from "node:timers";
    import { peakMemory } from ${JSON.stringify(new URL("../../../core/run/memory.ts", import.meta.url).href)};
    const hold = () => new Uint8Array(400 * 2 ** 20).fill(1).length;
    hold();
    // What is collected is given back by a thread of its own, in its time.
    do {
      await new Promise((resolve) => setImmediate(resolve));
      gc();
    } while (Deno.memoryUsage().rss > 300 * 2 ** 20);
    console.log(Math.round(Deno.memoryUsage().rss / 2 ** 20), peakMemory());
  `;
  // Permissions as the tasks have them: they do not let /proc be read.
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-env", "--allow-sys", "--v8-flags=--expose-gc", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const [now, peak] = new TextDecoder().decode((await child.output()).stdout).trim().split(" ").map(Number);
  // An engine that is busy may hold it twice before it collects.
  ok(peak >= 400 && peak < 1300 && now < peak - 200, `${now} now, ${peak} at most`);
  ok(peakMemory() > 20);
});
